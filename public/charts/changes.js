// Writes to the page only what has changed: writing even the same value makes the browser recompute
// styles and layout.

/** Shows or hides an element. */
export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) {
    element.hidden = isHidden;
  }
}

/** Writes a text into an element that contains nothing else. */
export function setText(element, text) {
  const node = element.firstChild;
  if (!node) {
    element.textContent = text;
  } else if (node.data !== text) {
    // In place: a new node would change the structure of the page.
    node.data = text;
  }
}
