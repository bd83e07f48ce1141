import type { Reason } from './reason.ts';

/** End reasons that the page itself detects, because no answer from Transom names them. */
export const local = {
  'needs-link': {
    code: 'needs-link',
    sentence: 'This page needs a console link.',
    side: 'viewer',
    nextStep: 'Open the whole link that you were given, or ask for a new one. A bookmark or a copied address does not open a console, because this page removes the token from the address bar as soon as it has read it.',
    retry: 'new-link',
  },
  'left': {
    code: 'left',
    sentence: 'You have disconnected.',
    side: 'viewer',
    nextStep: 'The session stays open for a few minutes: connect again to continue, or end it now.',
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
    nextStep: 'Transom cannot be reached. Check this device’s network, then try again. If you do nothing, the session ends after a few minutes without a viewer.',
    retry: 'later',
  },
  'session-ended': {
    code: 'session-ended',
    sentence: 'The session has ended.',
    side: 'transom',
    nextStep: 'Connect again to continue, or close this page.',
    retry: 'later',
  },
  'connection-lost': {
    code: 'connection-lost',
    sentence: 'The connection to Transom was lost.',
    side: 'viewer',
    nextStep: 'Check this device’s network, Wi-Fi or VPN. If other pages load, tell the operator of this service: the cause may be Transom or a proxy in front of it.',
    retry: 'resume',
  },
  'transom-unreachable': {
    code: 'transom-unreachable',
    sentence: 'Transom cannot be reached.',
    side: 'viewer',
    nextStep: 'Check this device’s network, Wi-Fi or VPN, then try again. If other pages load, tell the operator of this service.',
    retry: 'later',
  },
  'websocket-blocked': {
    code: 'websocket-blocked',
    sentence: 'The WebSocket connection to Transom could not be opened.',
    side: 'viewer',
    nextStep: 'The page loaded, but its WebSocket connection did not open. A proxy, a firewall or a browser extension may block WebSockets. Try another network, or tell the operator of this service.',
    retry: 'later',
  },
  'answer-unreadable': {
    code: 'answer-unreadable',
    sentence: 'Transom’s response could not be understood.',
    side: 'transom',
    nextStep: 'Another server in front of Transom may have responded, or Transom may be starting. Wait a moment, then try again.',
    retry: 'later',
  },
  'unknown-reason': {
    code: 'unknown-reason',
    sentence: 'Transom ended the session.',
    side: 'transom',
    nextStep: 'Reload the page: it may be older than Transom. If the problem persists, tell the operator of this service.',
    retry: 'later',
  },
  'picture-unreadable': {
    code: 'picture-unreadable',
    sentence: 'The machine sent data that this page cannot display.',
    side: 'instance',
    nextStep: 'Try again. If the problem persists, the machine’s VNC server may send data that browsers do not understand: check its version.',
    retry: 'resume',
  },
  'page-incomplete': {
    code: 'page-incomplete',
    sentence: 'Part of this page could not be loaded.',
    side: 'viewer',
    nextStep: 'Check the network, then try again. If the problem persists, use a current browser.',
    retry: 'later',
  },
} as const satisfies Record<string, Reason>;
