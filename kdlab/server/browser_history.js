(() => {
  const STEPS = __STEPS__;
  const push = history.pushState.bind(history);
  const steps = (address) => JSON.stringify(STEPS.map((name) => address.searchParams.getAll(name)));
  let acted = false; // whether the visitor has done something that has made no entry yet
  let before = null; // the first change of parameters since then: the address before it, whether one made an entry, or took all

  function act() {
    acted = true;
    before = null;
  }
  for (const name of ["pointerdown", "keydown", "click"]) addEventListener(name, act, true);
  addEventListener("popstate", () => {
    acted = false;
    before = null;
  }, true);

  history.pushState = (state, title, to) => {
    const here = new URL(location.href);
    const there = new URL(to ?? "", here);
    if (there.pathname !== here.pathname) {
      // A page that is left loses the parameters of its widgets first, and on a busy machine the next page's come before
      // its name. Both were written where they do not belong.
      const early = before && (before.cleared || (there.search && there.search === here.search));
      if (early && !before.entry) history.replaceState(state, title, before.address);
      if (early && before.entry) history.replaceState(state, title, to);
      else push(state, title, to);
      acted = false;
      before = null;
      return;
    }
    const entry = acted && steps(there) !== steps(here);
    before ??= { address: here.href, entry: false, cleared: false };
    before.entry ||= entry;
    before.cleared ||= !there.search;
    if (entry) push(state, title, to);
    else history.replaceState(state, title, to);
    acted &&= !entry;
  };
})();
