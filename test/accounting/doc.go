// Package accounting opens and closes sessions by the thousand, in every way they can end, and checks that goroutines,
// heap and descriptors return to where they were.
package accounting
