// How a hand takes hold of what moves sideways. A mouse has it at once. A finger may mean to scroll the page, so it
// has it only once it goes clearly sideways; what the browser takes for a scroll after all is given back.
const SIDEWAYS = 8; // px
const CLEARLY = 1.5; // times as far sideways as up or down
const holds = new WeakMap(); // node -> the pointer on it

// grab(x): is told where a mouse pressed, a finger tells nothing. move(px): since then. drop(kept): let go, or given back.
// The node needs `touch-action: pan-y`.
export function whenDragged(node, { grab, move, drop }) {
  const take = (hold, event, x) => {
    Object.assign(hold, { on: true, x: event.clientX });
    node.setPointerCapture?.(event.pointerId);
    grab(x);
  };
  const end = (kept) => (event) => {
    const hold = holds.get(node);
    if (hold?.id !== event.pointerId) return;
    holds.delete(node);
    if (hold.on) drop(kept);
  };

  node.onpointerdown = (event) => {
    if (event.button > 0 || !event.isPrimary || holds.get(node)?.on) return;
    const hold = { id: event.pointerId, x: event.clientX, y: event.clientY, on: false };
    holds.set(node, hold);
    if (event.pointerType !== "mouse") return;
    event.preventDefault();
    take(hold, event, event.clientX);
  };
  node.onpointermove = (event) => {
    const hold = holds.get(node);
    if (hold?.id !== event.pointerId) return;
    if (hold.on) return void move(event.clientX - hold.x);
    const sideways = Math.abs(event.clientX - hold.x);
    if (sideways >= SIDEWAYS && sideways >= CLEARLY * Math.abs(event.clientY - hold.y)) take(hold, event);
  };
  node.onpointerup = end(true);
  // One of its own parts may lose what the node itself takes.
  node.onlostpointercapture = (event) => event.target === node && end(true)(event);
  node.onpointercancel = end(false);
}
