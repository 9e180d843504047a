// What the server told last, for every part of the page.

export const known = { agents: new Map(), runs: new Map(), events: [], time: 0, acts: false };
