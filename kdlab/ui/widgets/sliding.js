// Where the sliders stand, for what follows one of them in the browser, by the slider's key.
const places = new Map();
const followers = new Map(); // key -> node -> what it does with a value

export function stands(key, value) {
  places.set(key, value);
  for (const [node, turn] of followers.get(key) ?? []) {
    if (node.isConnected) turn(value);
    else followers.get(key).delete(node);
  }
}

// Turns the node at every place that the slider takes from now on. Gives where it stands, undefined before it is there.
export function follow(key, node, turn) {
  if (!followers.has(key)) followers.set(key, new Map());
  followers.get(key).set(node, turn);
  return places.get(key);
}
