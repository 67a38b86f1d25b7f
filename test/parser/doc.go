// Package parser holds our codecs against the official JavaScript ones: the same bytes go to both, and either the same
// packets come out or the difference is one that we want, with its reason.
package parser
