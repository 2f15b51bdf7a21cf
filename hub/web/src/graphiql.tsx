import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./graphiql.css";

import { GraphiQL } from "graphiql";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { DEFAULT_QUERY } from "./defaultQuery";
import { sendOperation } from "./sendOperation";

const container = document.getElementById("graphiql");
if (container === null) throw new Error("The page has no element for GraphiQL.");

createRoot(container).render(
  <StrictMode>
    <GraphiQL
      fetcher={(operation) => sendOperation(operation)}
      defaultQuery={DEFAULT_QUERY}
      // The cookie is all that the endpoint knows of: a header could only confuse.
      isHeadersEditorEnabled={false}
      showPersistHeadersSettings={false}
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>
        <a href="/" className="home">
          monsys
        </a>
      </GraphiQL.Logo>
    </GraphiQL>
  </StrictMode>,
);
