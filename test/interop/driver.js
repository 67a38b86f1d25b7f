// Runs all scenarios with the client, the transports and the server that SIO_INTEROP names.
"use strict";

const { run } = require("./harness");

const groups = {};
for (const name of ["connect", "events", "acks", "rooms", "namespaces", "order", "lifecycle", "compression"]) {
  groups[name] = require(`./scenarios/${name}`);
}

run(groups).then(
  () => {
    console.log(JSON.stringify({ done: true })); // whoever reads must not take an early end for success
    process.exit(0);
  },
  (err) => {
    console.error(err);
    process.exit(1);
  },
);
