// Arrow keys in the grid of cards: from picture to picture, so that nobody has to tab through hundreds of them.

/** Lets the arrow keys, Home and End move from the picture of one card to that of another. */
export function listenForKeys(grid) {
  grid.addEventListener("keydown", (event) => {
    if (!event.target.matches(".open") || event.altKey || event.ctrlKey || event.metaKey) return;
    const cards = [...grid.children].filter((card) => !card.hidden);
    const place = cards.indexOf(event.target.closest(".card"));
    const target = cards[next(event.key, place, columnsOf(grid), cards.length)];
    if (!target) return;
    event.preventDefault();
    target.querySelector(".open").focus();
  });
}

function next(key, place, columns, count) {
  switch (key) {
    case "ArrowLeft": return place - 1;
    case "ArrowRight": return place + 1;
    case "ArrowUp": return place - columns;
    case "ArrowDown": return place + columns;
    case "Home": return 0;
    case "End": return count - 1;
    default: return -1;
  }
}

const columnsOf = (grid) => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
