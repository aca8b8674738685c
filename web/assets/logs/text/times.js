// Times as they are shown, in this browser's zone or in UTC.
const two = (number) => String(number).padStart(2, "0");
const three = (number) => String(number).padStart(3, "0");

/** {clock: "12:31:02.123", day: "2026-11-29"} of milliseconds since 1970. */
export function parts(ms, isUtc) {
  const date = new Date(isUtc ? ms : ms - offsetMs(ms));
  return {
    clock: `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${three(date.getUTCMilliseconds())}`,
    day: `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`,
  };
}

/** "2026-11-29 12:31:02.123456 +01:00": as exact as the RFC 3339 text that the line has. */
export function exact(iso, isUtc) {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  const { clock, day } = parts(ms, isUtc);
  const micro = /\.\d{3}(\d+)/.exec(iso)?.[1] ?? "";
  return `${day} ${clock}${micro} ${zone(ms, isUtc)}`;
}

/** "UTC" or "+01:00". */
export function zone(ms, isUtc) {
  if (isUtc) return "UTC";
  const minutes = Math.round(-offsetMs(ms) / 60_000);
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** The zone's name for the server's downloads: "UTC", "Europe/Berlin". */
export function zoneName(isUtc) {
  return isUtc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** For a field of the type datetime-local, and back. Empty stays empty. */
export function toField(iso, isUtc) {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return "";
  const { clock, day } = parts(ms, isUtc);
  return `${day}T${clock.slice(0, 8)}`;
}

export function fromField(value, isUtc) {
  const date = new Date(isUtc ? `${value}Z` : value);
  return value && !Number.isNaN(date.getTime()) ? date.toISOString() : "";
}

let zoneHour = null;
let zoneOffset = 0;

/** Asking a Date for its offset costs more than all else of a row, and changes of it come on quarters of hours. */
function offsetMs(ms) {
  const hour = Math.floor(ms / 900_000);
  if (hour !== zoneHour) {
    zoneHour = hour;
    zoneOffset = new Date(ms).getTimezoneOffset() * 60_000;
  }
  return zoneOffset;
}
