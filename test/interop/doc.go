// Package interop drives the contract server, as a real process, with the official JavaScript clients, and runs the
// official test suites against it.
//
// The scenarios are JavaScript (scenarios/), run by driver.js with one version of the client and one way of transport.
// The same scenarios run against reference_server.js, the same application made of the official server, in the same
// test: what fails there is a mistake in the scenario.
package interop
