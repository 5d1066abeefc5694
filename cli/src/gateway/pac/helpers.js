// The functions that a PAC file finds. What they mean is what Netscape's, Firefox's and Chromium's mean, oddities included,
// since files have been written against those. `native` has what needs addresses, names or the log.
(function (native) {
  const quad = (text) => {
    const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
    return parts !== null && parts.slice(1).every((part) => part <= 255);
  };

  const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
  const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

  // Leaves "GMT", which may come last, out of the arguments.
  const zoned = (all) => {
    const isGmt = all[all.length - 1] === "GMT";
    return [isGmt ? all.slice(0, -1) : all, isGmt];
  };

  // This moment, as a local clock would show it where the zone is GMT.
  const now = (isGmt) => {
    const date = new Date();
    if (isGmt) {
      const [hours, minutes, seconds] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
      date.setFullYear(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
      date.setHours(hours, minutes, seconds);
    }
    return date;
  };

  // A range that ends before it begins goes around: from December to February, or past midnight.
  const within = (first, value, last) =>
    first <= last ? first <= value && value <= last : first <= value || value <= last;

  // Days (up to 31), years, and months by their names; `null` if one of them is none of these.
  const fields = (parts) => {
    const found = {};
    for (const part of parts) {
      const number = parseInt(part);
      if (!isNaN(number)) {
        found[number < 32 ? "day" : "year"] = number;
      } else if ((found.month = MONTHS.indexOf(part)) < 0) {
        return null;
      }
    }
    return found;
  };

  Object.assign(globalThis, {
    isPlainHostName(host) {
      if (typeof host !== "string") {
        throw new TypeError("Requires 1 string parameter");
      }
      return !host.includes(".") && !native.isAddress(host);
    },

    dnsDomainIs(host, domain) {
      return host.length >= domain.length && host.substring(host.length - domain.length) == domain;
    },

    localHostOrDomainIs(host, full) {
      return host == full || full.startsWith(host + ".");
    },

    dnsDomainLevels(host) {
      return host.split(".").length - 1;
    },

    convert_addr(address) {
      const parts = address.split(".");
      return ((parts[0] & 255) << 24) | ((parts[1] & 255) << 16) | ((parts[2] & 255) << 8) | (parts[3] & 255);
    },

    dnsResolve(host) {
      return typeof host === "string" ? (native.resolve(host, false) ?? null) : null;
    },

    isResolvable(host) {
      return globalThis.dnsResolve(host) != null;
    },

    isInNet(host, network, mask) {
      if (!quad(network) || !quad(mask)) {
        return false;
      }
      const address = quad(host) ? host : globalThis.dnsResolve(host);
      if (address == null) {
        return false;
      }
      const bits = globalThis.convert_addr(mask);
      return (globalThis.convert_addr(address) & bits) == (globalThis.convert_addr(network) & bits);
    },

    myIpAddress() {
      return native.own(false);
    },

    // A shell's * and ?; whatever else a regular expression knows holds too, as in browsers: (a|b) is in use.
    shExpMatch(text, pattern) {
      const expression = pattern.replace(/[.*?]/g, (wild) => ({ ".": "\\.", "*": ".*", "?": "." })[wild]);
      return new RegExp("^" + expression + "$").test(text);
    },

    weekdayRange(...all) {
      const [days, isGmt] = zoned(all);
      const [first, last] = [days[0], days.length == 2 ? days[1] : days[0]].map((day) => DAYS.indexOf(day));
      const date = new Date();
      return first >= 0 && last >= 0 && within(first, isGmt ? date.getUTCDay() : date.getDay(), last);
    },

    dateRange(...all) {
      const [parts, isGmt] = zoned(all);
      if (parts.length == 0) {
        return false;
      }
      const date = now(isGmt);
      if (parts.length == 1) {
        const number = parseInt(parts[0]);
        if (isNaN(number)) {
          return MONTHS[date.getMonth()] == parts[0];
        }
        return (number < 32 ? date.getDate() : date.getFullYear()) == number;
      }
      const half = parts.length >> 1;
      const [first, last] = [fields(parts.slice(0, half)), fields(parts.slice(half))];
      if (first === null || last === null) {
        return false;
      }
      // Two days are days of whichever month it is.
      if (parts.length == 2 && first.day !== undefined) {
        first.month = last.month = date.getMonth();
      }
      const { year = date.getFullYear(), month = 0, day = 1 } = first;
      const { year: lastYear = date.getFullYear(), month: lastMonth = 11 } = last;
      // The day before the first of the next month is the last of this one. Browsers take February to go up to its 31st.
      const { day: lastDay = new Date(lastYear, lastMonth + 1, 0).getDate() } = last;
      return within(
        new Date(year, month, day).getTime(),
        date.getTime(),
        new Date(lastYear, lastMonth, lastDay, 23, 59, 59).getTime(),
      );
    },

    timeRange(...all) {
      const [parts, isGmt] = zoned(all);
      const date = now(isGmt);
      const hour = date.getHours();
      switch (parts.length) {
        case 0:
          return false;
        case 1:
          return hour == parts[0];
        case 2:
          return parts[0] <= hour && hour <= parts[1];
        case 4:
        case 6:
          break;
        default:
          throw new TypeError("timeRange takes 1, 2, 4 or 6 numbers");
      }
      const half = parts.length / 2;
      const [first, last] = [0, half].map((at) => parts[at] * 3600 + parts[at + 1] * 60);
      const seconds = half == 3 ? [parts[2], parts[5]].map(Number) : [0, 59];
      const value = hour * 3600 + date.getMinutes() * 60 + date.getSeconds();
      return within(first + seconds[0], value, last + seconds[1]);
    },

    alert(text) {
      native.alert(String(text));
    },

    // Microsoft's, which know IPv6.
    dnsResolveEx(host) {
      return (typeof host === "string" && native.resolve(host, true)) || "";
    },

    isResolvableEx(host) {
      return globalThis.dnsResolveEx(host) != "";
    },

    isInNetEx(address, network) {
      return typeof address === "string" && typeof network === "string" ? native.isIn(address, network) : null;
    },

    myIpAddressEx() {
      return native.own(true);
    },

    sortIpAddressList(list) {
      return typeof list === "string" ? native.sort(list) : null;
    },

    getClientVersion() {
      return "1.0";
    },
  });
})
