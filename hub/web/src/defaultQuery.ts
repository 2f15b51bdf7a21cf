/** What stands in a new tab: a first question that every role which may explore can ask. */
export const DEFAULT_QUERY = `# Live figures, with your own permissions.
#
# Play or Ctrl-Enter runs this.
# Ctrl-Space completes what you type.
# The book on the left explains each field
# and names the permission it needs.

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
