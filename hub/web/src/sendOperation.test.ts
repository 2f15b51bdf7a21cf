import { describe, expect, it, vi } from "vitest";

import { sendOperation } from "./sendOperation";

const OPERATION = { query: "query A { alerts { totalCount } }", operationName: "A", variables: {} };

function answering(status: number, body: string): typeof fetch {
  return vi.fn<typeof fetch>(async () => new Response(body, { status }));
}

describe("sendOperation", () => {
  it("posts the operation as JSON with the session's cookie", async () => {
    const send = answering(200, '{"data": {}}');
    await sendOperation(OPERATION, send);
    expect(send).toHaveBeenCalledExactlyOnceWith("/graphql", {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json",
      },
      body: JSON.stringify(OPERATION),
    });
  });

  it("returns what the hub answered, refusals included", async () => {
    const data = { data: { alerts: { totalCount: 3 } } };
    expect(await sendOperation(OPERATION, answering(200, JSON.stringify(data)))).toEqual(data);
    const refused = { errors: [{ message: "No.", extensions: { code: "FORBIDDEN" } }] };
    expect(await sendOperation(OPERATION, answering(403, JSON.stringify(refused)))).toEqual(refused);
  });

  it.each([
    [401, '{"errors": []}', "You are signed out. Sign in again, then reload this page."],
    [502, "<html>Bad gateway</html>", "The hub answered with status 502."],
    [200, "[]", "The hub answered with status 200."],
  ])("says in words what status %i with %s means", async (status, body, message) => {
    expect(await sendOperation(OPERATION, answering(status, body))).toEqual({
      errors: [{ message }],
    });
  });

  it("says so when nothing answers", async () => {
    const send = vi.fn<typeof fetch>(() => Promise.reject(new TypeError("failed")));
    expect(await sendOperation(OPERATION, send)).toEqual({
      errors: [{ message: "The hub does not answer. Is the network up?" }],
    });
  });
});
