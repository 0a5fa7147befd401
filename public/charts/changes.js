// Writes to the page what has become another: a write, even of the same, has the browser look at what is around it again.

/** Shows or hides an element. */
export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) {
    element.hidden = isHidden;
  }
}

/** Writes a text into an element that holds nothing else. */
export function setText(element, text) {
  const node = element.firstChild;
  if (!node) {
    element.textContent = text;
  } else if (node.data !== text) {
    // In place: a new node would be a change of the page's structure.
    node.data = text;
  }
}
