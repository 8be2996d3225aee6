// Arrow keys in the grid of cards: from picture to picture, so that nobody has to tab through hundreds of them.

export function listenForKeys(board) {
  board.list.addEventListener("keydown", (event) => {
    if (!event.target.matches(".open") || event.altKey || event.ctrlKey || event.metaKey) return;
    const place = board.visible.indexOf(board.itemOf(event.target));
    const target = board.visible[next(event.key, place, board.rows().columns, board.visible.length)];
    if (!target) return;
    event.preventDefault();
    board.focus(target);
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
