// The words of scripts, in the reader's language: English stands here, the others in a block of JSON in the page.
const block = document.getElementById("script-words");
const WORDS = block ? JSON.parse(block.textContent) : {};

export const say = (text, values = {}) => (WORDS[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
