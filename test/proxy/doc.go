// Package proxy puts real proxies, nginx and HAProxy, between the server and the official client, with the very
// configurations that docs/proxies.md recommends. It holds tests only.
package proxy
