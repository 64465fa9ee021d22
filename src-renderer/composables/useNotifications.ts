// Messages on the desktop when a run ends or fails, while the page is not in front. Where the browser has none, or refuses, nothing is told.

import { isActive, type RunSummary } from '../../src-main/contract/run.ts';
import { addressOf, goTo } from '../router.ts';
import type { AppEvent } from '../stores/connection.ts';
import { endOf } from '../stores/messages.ts';

export function notificationsAre(): NotificationPermission {
  return 'Notification' in window ? Notification.permission : 'denied';
}

export async function askToNotify(): Promise<NotificationPermission> {
  return 'Notification' in window ? await Notification.requestPermission() : 'denied';
}

/** Tells of runs that were active a moment ago and have ended; to be given every event. */
export function createNotifier(enabled: () => boolean): (event: AppEvent) => void {
  const active = new Set<string>();
  return (event) => {
    if (event.name !== 'runChanged') return;
    const { summary } = event.payload;
    if (isActive(summary.state)) return void active.add(summary.id);
    if (active.delete(summary.id) && enabled()) tell(summary);
  };
}

function tell(summary: RunSummary): void {
  if (notificationsAre() !== 'granted' || document.hasFocus()) return;
  const notification = new Notification(summary.name, { body: endOf(summary), tag: summary.id });
  notification.onclick = () => {
    window.focus();
    goTo(addressOf.run(summary.id));
  };
}
