// Runs graphql-http's audit of GraphQL over HTTP and prints its verdicts as JSON.
// Arguments: folder of node_modules, URL of the endpoint, cookie of a signed-in person.
import { createRequire } from "node:module";

const [modules, url, cookie] = process.argv.slice(2);
const { auditServer } = createRequire(`${modules}/`)("graphql-http");

const results = await auditServer({
  url,
  fetchFn: (target, options = {}) =>
    fetch(target, { ...options, headers: { ...options.headers, cookie } }),
});

// The audit leaves bodies unread, which would keep its connections from being closed.
const verdicts = results.map(({ id, name, status, reason }) => ({ id, name, status, reason }));
process.stdout.write(`${JSON.stringify(verdicts)}\n`, () => process.exit(0));
