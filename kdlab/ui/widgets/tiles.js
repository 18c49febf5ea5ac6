const shown = new WeakMap(); // the row -> the tiles in it, so that it is built again only when they change

export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector(".tiles");
  row.setAttribute("aria-label", data.label);
  row.classList.toggle("wrap", data.wrap);
  const signature = data.tiles.map((tile) => tile.number).join() + data.tiles[0]?.picture.slice(-40);
  if (shown.get(row) !== signature) {
    shown.set(row, signature);
    row.replaceChildren(...data.tiles.map(build));
  }
  const buttons = [...row.children];
  const chosen = Math.max(0, data.tiles.findIndex((tile) => tile.number === data.chosen));
  buttons.forEach((button, i) => {
    describe(button, data.tiles[i]);
    button.setAttribute("aria-pressed", data.tiles[i].number === data.chosen);
    button.tabIndex = i === chosen ? 0 : -1;
    button.onclick = () => setTriggerValue("picked", data.tiles[i].number);
    button.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      buttons[(i + step + buttons.length) % buttons.length].focus();
    };
  });
}

function build(tile) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  if (tile.picture) button.append(Object.assign(document.createElement("img"), { src: tile.picture, alt: "" }));
  if (tile.text) button.append(span("text", tile.text));
  if (tile.note) button.append(span("note", ""));
  return button;
}

function describe(button, tile) {
  button.setAttribute("aria-label", tile.note ? `${tile.name}, ${tile.note}` : tile.name);
  button.title = tile.name;
  const note = button.querySelector(".note");
  if (note && note.textContent !== tile.note) note.textContent = tile.note;
}

function span(name, text) {
  return Object.assign(document.createElement("span"), { className: name, textContent: text });
}
