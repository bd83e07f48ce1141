import { onPastedLink, openedWith } from './address.ts';
import { Session } from './session.ts';
import { Page } from './ui/page.ts';
import { followVisibleHeight } from './ui/viewport.ts';

const page = new Page({ again: () => session.again(), leave: () => session.leave(), end: () => void session.end() });
const session = new Session(page);

followVisibleHeight();
onPastedLink((token) => session.open(token));
addEventListener('online', () => session.check());
addEventListener('pagehide', () => page.leaveMachineAsItWas());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') session.check();
});
session.open(openedWith);
