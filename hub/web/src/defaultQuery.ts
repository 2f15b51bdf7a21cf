/** What stands in a new tab: a first question that every role which may explore can ask. */
export const DEFAULT_QUERY = `# monsys hub, live and read with your own permissions.
#
# Press the play button, or Ctrl-Enter. Ctrl-Space completes; the book on the left holds the
# documentation, with the permission that each field needs.

query WorstAlerts {
  alerts(first: 10) {
    totalCount
    nodes {
      severity
      title
      agentName
      openedAt
    }
  }
}
`;
