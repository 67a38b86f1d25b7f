// Runs all scenarios with the client, the transports and the server that SIO_INTEROP names.
"use strict";

const { config, run } = require("./harness");

const groups = {};
const all = ["connect", "events", "acks", "rooms", "namespaces", "order", "lifecycle", "compression", "recovery", "old"];
for (const name of config.groups || all) {
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
