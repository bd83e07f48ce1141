import type { Reason } from './reason.ts';

/** Reasons that Transom cannot give, because it could not be heard or was not asked. */
export const local = {
  'needs-link': {
    code: 'needs-link',
    sentence: 'This page needs a console link.',
    side: 'viewer',
    nextStep: 'Open the whole link that you were given, or ask for a new one. A bookmark or a copied address does not open a console: the token leaves the address bar as soon as this page has read it.',
    retry: 'new-link',
  },
  'left': {
    code: 'left',
    sentence: 'You have disconnected.',
    side: 'viewer',
    nextStep: 'The session waits a few minutes for you: connect again to go on, or end it.',
    retry: 'later',
  },
  'over': {
    code: 'over',
    sentence: 'You have ended the session.',
    side: 'viewer',
    nextStep: 'You can close this page. To open the console again, ask for a new link.',
    retry: 'never',
  },
  'not-ended': {
    code: 'not-ended',
    sentence: 'The session could not be ended.',
    side: 'viewer',
    nextStep: 'Transom cannot be reached. Check this device’s network and try again, or wait: without a viewer the session ends after a few minutes.',
    retry: 'later',
  },
  'session-ended': {
    code: 'session-ended',
    sentence: 'The session has ended.',
    side: 'transom',
    nextStep: 'Connect again to go on, or close this page.',
    retry: 'later',
  },
  'connection-lost': {
    code: 'connection-lost',
    sentence: 'The connection to Transom was lost.',
    side: 'viewer',
    nextStep: 'Check this device’s network, Wi-Fi or VPN. If other pages load, whoever runs Transom should look at it and at the proxies in front of it.',
    retry: 'resume',
  },
  'transom-unreachable': {
    code: 'transom-unreachable',
    sentence: 'Transom cannot be reached.',
    side: 'viewer',
    nextStep: 'Check this device’s network, Wi-Fi or VPN, then try again. If other pages load, tell whoever runs Transom.',
    retry: 'later',
  },
  'websocket-blocked': {
    code: 'websocket-blocked',
    sentence: 'No WebSocket to Transom could be opened.',
    side: 'viewer',
    nextStep: 'The page loads but its WebSocket does not: a proxy, firewall or browser extension on the way may not let WebSockets through. Try another network, or tell whoever runs Transom.',
    retry: 'later',
  },
  'answer-unreadable': {
    code: 'answer-unreadable',
    sentence: 'The answer from Transom could not be understood.',
    side: 'transom',
    nextStep: 'Something in front of Transom may have answered instead, or Transom is starting. Wait a moment, then try again.',
    retry: 'later',
  },
  'unknown-reason': {
    code: 'unknown-reason',
    sentence: 'Transom ended the session.',
    side: 'transom',
    nextStep: 'Reload the page: it may be older than Transom. If it stays, tell whoever runs Transom.',
    retry: 'later',
  },
  'picture-unreadable': {
    code: 'picture-unreadable',
    sentence: 'What the instance sent could not be drawn.',
    side: 'instance',
    nextStep: 'Try again. If it stays, the instance’s VNC server sends something that browsers do not understand: check its version.',
    retry: 'resume',
  },
  'page-incomplete': {
    code: 'page-incomplete',
    sentence: 'A part of this page could not be loaded.',
    side: 'viewer',
    nextStep: 'Check the network, then try again. If it stays, use a current browser.',
    retry: 'later',
  },
} as const satisfies Record<string, Reason>;
