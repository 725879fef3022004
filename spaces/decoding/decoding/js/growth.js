// A tree that grows while it runs: each step brings what is new. No drawing here.

/** @import { Trace } from "./data.js" */

/**
 * What came new, put into what there was.
 * @param {Trace | null} before
 * @param {Trace} news
 * @returns {Trace} as it was where a step between the two is missing: the complete trace follows
 */
export function grown(before, news) {
  const { growth } = news;
  if (!before || !growth || growth.version === 1) return news;
  const had = before.growth;
  if (had?.run_id !== growth.run_id || growth.version > had.version + 1)
    return { ...before, cancelled: news.cancelled };
  const runs = news.runs.map((run, index) => {
    const { nodes, decisions } = before.runs[index];
    const all = nodes.slice();
    for (const node of run.nodes) all[node.id] = node;
    return { ...run, nodes: all, decisions: { ...decisions, ...run.decisions } };
  });
  return { ...news, runs };
}
