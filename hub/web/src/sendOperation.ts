import type { FetcherParams } from "@graphiql/toolkit";
import type { ExecutionResult } from "graphql";

const ENDPOINT = "/graphql";
const GRAPHQL_RESPONSE = "application/graphql-response+json";

/**
 * Sends one operation with the session's cookie and returns the answer as it is.
 *
 * The hub answers every refusal in GraphQL's own shape, whatever the status. Anything else comes
 * from something in between (a proxy, a dead network) and is put into that shape here.
 */
export async function sendOperation(
  operation: FetcherParams,
  send: typeof fetch = fetch,
): Promise<ExecutionResult> {
  let response: Response;
  try {
    response = await send(ENDPOINT, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: GRAPHQL_RESPONSE },
      body: JSON.stringify(operation),
    });
  } catch {
    return failure("The hub does not answer. Is the network up?");
  }
  if (response.status === 401) {
    return failure("You are signed out. Sign in again, then reload this page.");
  }
  return (await resultIn(response)) ?? failure(`The hub answered with status ${response.status}.`);
}

async function resultIn(response: Response): Promise<ExecutionResult | undefined> {
  try {
    const body: unknown = await response.json();
    return isResult(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

function isResult(body: unknown): body is ExecutionResult {
  return typeof body === "object" && body !== null && ("data" in body || "errors" in body);
}

function failure(message: string): ExecutionResult {
  return { errors: [{ message }] } as unknown as ExecutionResult;
}
