// How ipsecd reads its arguments:
// 1. kRows lists the options with a value (its destination, its range or its words), kWords those without.
// 2. system/option_words splits the arguments by the shapes of both; the only other words are `status` and `unhook`.
// 3. set() stores a value, once; number() checks its range.
// 4. check() applies the rules between options: those for packets need --tun, `status` accepts few.
// 5. help_text() and, through option_texts(), the manual page and the completions are printed from the same rows.
#include "ipsecd/options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <variant>

#include "base/text.h"
#include "ipsecd/exit.h"
#include "system/option_words.h"

namespace ipseckey::ipsecd {
namespace {

struct Range {
  unsigned least = 0, most = 0;
};

// One row for each option with a value: its name, the value's destination, its range, the text of help.
struct Row {
  std::string_view name, metavar;
  std::variant<std::optional<std::string> Options::*, std::optional<unsigned> Options::*> slot;
  Range range;
  bool packets;  // Needs --tun.
  std::string_view help;
  std::string_view words = {};  // The allowed values; empty: any.
};
constexpr std::array kRows = {
    Row{"--socket",
        "PATH",
        &Options::socket,
        {},
        false,
        "where to listen; default: /run/ipsecd/pfkey.sock, without root\n"
        "$XDG_RUNTIME_DIR/ipsecd/pfkey.sock (the folder is created if needed)"},
    Row{"--user",
        "NAME",
        &Options::user,
        {},
        false,
        "become this user once everything is open, and keep only CAP_NET_ADMIN\nand CAP_NET_RAW"},
    Row{"--group",
        "NAME",
        &Options::group,
        {},
        false,
        "let members of this group do everything that root may; the socket\n"
        "gets this group and mode 0660"},
    Row{"--read-group",
        "NAME",
        &Options::read_group,
        {},
        false,
        "let members of this group list SAs without keys, listen for changes,\n"
        "and read the status"},
    Row{"--max-clients",
        "N",
        &Options::clients,
        {1, 65536},
        false,
        "accept at most N connections at a time; default 1024"},
    Row{"--max-user-clients",
        "N",
        &Options::user_clients,
        {1, 65536},
        false,
        "accept at most N connections per user, except root and ipsecd's\nown user; default 64"},
    Row{"--max-sas", "N", &Options::sas, {1, UINT32_MAX}, false, "hold at most N SAs; default: no limit"},
    Row{"--tun",
        "NAME",
        &Options::tun,
        {},
        false,
        "carry packets: create this TUN device; packets routed into it leave\n"
        "protected, or are dropped (doc/reference/dataplane.md)"},
    Row{"--queue",
        "N",
        &Options::queue,
        {0, 65000},
        false,
        "with --hook: use netfilter's queues from N on, three for each thread;\ndefault 50"},
    Row{"--workers", "N", &Options::workers, {1, 64}, true, "use N packet threads; default 1"},
    Row{"--mtu", "BYTES", &Options::mtu, {1280, 65535}, true, "MTU of the host's links; default 1500"},
    Row{"--mark",
        "N",
        &Options::mark,
        {1, UINT32_MAX},
        true,
        "set mark N on protected packets, so that `ip rule` can distinguish\nthem from packets to protect"},
    Row{"--icmp-errors",
        "WHOSE",
        &Options::icmp,
        {},
        true,
        "how to find the tunnel for an ICMP error: own: only by its\n"
        "own header; quoted (default): if that fails, by the packet that it\n"
        "quotes; both: as quoted, but drop arriving errors whose quoted packet\n"
        "does not match the SA",
        "quoted own both"},
    Row{"--outer-source",
        "WHICH",
        &Options::source,
        {},
        true,
        "which outer sources a tunnel accepts: any (default), because\n"
        "the key identifies the sender; same: only the source of the SA",
        "any same"},
    Row{"--got-secure",
        "WHAT",
        &Options::got_secure,
        {},
        true,
        "where there are rules: accept (default) or drop protected\npackets that no rule is about",
        "accept drop"},
    Row{"--icmp-in-clear",
        "WHAT",
        &Options::icmp_clear,
        {},
        true,
        "accept (default) or drop, in clear, the ICMP messages that\n"
        "come before any protection, where a rule that does not name ICMP\n"
        "demands it (doc/reference/dataplane.md)",
        "accept drop"},
    Row{"--raw-way",
        "WHICH",
        &Options::raw_way,
        {},
        true,
        "how ESP and AH without UDP leave: auto (default): by a packet\n"
        "socket if the host's IP layer would only add an Ethernet header;\n"
        "packet: also past the rules of netfilter; socket: by the raw socket",
        "auto packet socket"},
};

// One row for each option without a value. With neither `what` nor `flag`, it names the default behaviour.
struct Word {
  std::string_view names;
  std::optional<Options::Do> what;
  bool Options::* flag;
  std::string_view help;
  bool packets = false;  // As in Row.
};
constexpr std::array kWords = {
    Word{"--hook",
         {},
         &Options::hook,
         "carry packets that the rules of ipsecconf concern: netfilter takes\nthem out of the host's stack, "
         "with no routes into a device"},
    Word{"--no-offload",
         {},
         &Options::no_offload,
         "send and receive packets one by one, without segmentation\noffload",
         true},
    Word{"--mss-clamp",
         {},
         &Options::mss_clamp,
         "lower the MSS in TCP's SYN and SYN-ACK through a tunnel to\nwhat fits the path and "
         "the SA",
         true},
    Word{"--nat-follow",
         {},
         &Options::nat_follow,
         "follow a peer whose NAT changes its port or address: send\nESP in UDP to the new "
         "one",
         true},
    Word{"--beside-ike",
         {},
         &Options::beside_ike,
         "leave the UDP ports of SAs to an IKE daemon, and receive\nESP in UDP alongside it "
         "(doc/reference/dataplane.md)",
         true},
    Word{"--no-path-reports",
         {},
         &Options::no_path_reports,
         "ignore ICMP errors that report a smaller path MTU, which\n"
         "anybody can forge; by default they are believed down to 552 bytes (IPv6: 1280)",
         true},
    Word{"--keep",
         {},
         &Options::keep,
         "keep SAs across a restart or a crash: systemd holds them, sealed\n"
         "(FileDescriptorStoreMax=67; doc/reference/service.md)"},
    Word{"--json", {}, &Options::json, "with status: print one JSON object"},
    Word{"--owner-only",
         {},
         nullptr,
         "serve only root and the user that runs ipsecd; this is the default\nwithout --group and --read-group"},
    Word{"--foreground", {}, nullptr, "stay in the foreground; this is the default"},
    Word{"--help -h", Options::Do::help, nullptr, "print this text"},
    Word{"--version -V", Options::Do::version, nullptr, "print the version"},
};

Result<unsigned> number(const Row& row, std::string_view text) {
  unsigned value = 0;
  const bool hex = text.starts_with("0x");
  const std::string_view digits = text.substr(hex ? 2 : 0);
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (ec != std::errc() || end != digits.data() + digits.size() || value < row.range.least || value > row.range.most)
    return fail(Errc::syntax,
                fmt::format("{} needs a number from {} to {}", row.name, row.range.least, row.range.most));
  return value;
}

Result<void> set(Options& options, const Row& row, std::string_view text) {
  if (text.empty()) return fail(Errc::syntax, fmt::format("{} needs a value: {}", row.name, row.metavar));
  return std::visit(
      [&]<class T>(std::optional<T> Options::* slot) -> Result<void> {
        if (options.*slot) return fail(Errc::syntax, fmt::format("{} is given twice", row.name));
        if constexpr (std::is_same_v<T, unsigned>) {
          const auto value = number(row, text);
          if (!value) return std::unexpected(value.error());
          options.*slot = *value;
        } else {
          if (!row.words.empty() && !text::list_has_exactly(row.words, text))
            return fail(Errc::syntax, fmt::format("{} needs one of: {}", row.name, row.words));
          options.*slot = std::string(text);
        }
        return {};
      },
      row.slot);
}

std::vector<OptionShape> shapes() {
  std::vector<OptionShape> all;
  for (const Row& row : kRows) all.push_back({std::string(row.name), true});
  for (const Word& row : kWords) all.push_back({std::string(row.names)});
  return all;
}

std::unexpected<Error> unknown_word(std::string_view word) {
  return fail(Errc::syntax, fmt::format("Unknown word '{}'; `ipsecd --help` lists the options", word));
}

Result<void> set(Options& options, const OptionWords::Found& found) {
  using enum OptionWords::Found::Kind;
  if (found.kind == unknown || found.kind == surplus_value) return unknown_word(found.word);
  const bool grouped =
      !found.name.starts_with("--") && found.word != found.name;  // Short options cannot be grouped here.
  if (grouped) return unknown_word(found.word);
  if (found.option < kRows.size()) return set(options, kRows[found.option], found.value);
  const Word& row = kWords[found.option - kRows.size()];
  if (row.what) options.what = *row.what;
  if (row.flag) options.*row.flag = true;
  return {};
}

Result<void> check(const Options& options) {
  for (const Row& row : kRows) {
    const bool given = std::visit([&](auto slot) { return (options.*slot).has_value(); }, row.slot);
    if (given && row.packets && !options.tun && !options.hook)
      return fail(Errc::syntax, fmt::format("{} affects only packets: it needs --tun NAME or --hook", row.name));
    if (given && options.what == Options::Do::status && row.name != "--socket")
      return fail(Errc::syntax, fmt::format("status takes --socket PATH and --json, not {}", row.name));
    if (given && options.what == Options::Do::unhook && row.name != "--queue")
      return fail(Errc::syntax, fmt::format("unhook takes --queue N, not {}", row.name));
  }
  for (const Word& row : kWords)
    if (row.packets && options.*row.flag && !options.tun && !options.hook)
      return fail(Errc::syntax, fmt::format("{} affects only packets: it needs --tun NAME or --hook", row.names));
  if (options.queue && !options.hook && options.what != Options::Do::unhook)
    return fail(Errc::syntax, "--queue needs --hook");
  for (const Word& row : kWords)
    if (row.flag && row.flag != &Options::json && options.*row.flag && options.what == Options::Do::status)
      return fail(Errc::syntax, fmt::format("status takes --socket PATH and --json, not {}", row.names));
  for (const Word& row : kWords)
    if (row.flag && options.*row.flag && options.what == Options::Do::unhook)
      return fail(Errc::syntax, fmt::format("unhook takes --queue N, not {}", row.names));
  if (options.json && options.what != Options::Do::status) return fail(Errc::syntax, "--json is only for status");
  return {};
}

std::string described(bool packets, std::string_view help) {
  return fmt::format("{}{}", packets ? "with packets: " : "", help);
}

}  // namespace

Result<Options> parse_options(std::span<const std::string_view> words) {
  Options options;
  const auto known = shapes();
  OptionWords left(known, {words.begin(), words.end()});
  while (!left.rest().empty()) {
    const std::string word = left.rest().front();
    if (const auto found = left.next()) {
      if (auto done = set(options, *found); !done) return std::unexpected(done.error());
    } else if (left.rest().size() == words.size() && (word == "status" || word == "unhook")) {
      options.what = word == "status" ? Options::Do::status : Options::Do::unhook;
      left.skip();
    } else {
      return unknown_word(word);
    }
  }
  if (options.what == Options::Do::help || options.what == Options::Do::version) return options;
  if (auto r = check(options); !r) return std::unexpected(r.error());
  return options;
}

std::vector<OptionText> option_texts() {
  std::vector<OptionText> texts;
  texts.reserve(kRows.size() + kWords.size());
  for (const Row& row : kRows) texts.push_back({row.name, row.metavar, described(row.packets, row.help)});
  for (const Word& row : kWords) texts.push_back({row.names, "", described(row.packets, row.help)});
  return texts;
}

std::string help_text() {
  std::string out = R"(usage: ipsecd [OPTION]...
       ipsecd status [--json] [--socket PATH]
       ipsecd unhook [--queue N]

Keeps a database of IPsec security associations (SAs) and serves PF_KEY v2 over a Unix
socket, in the foreground, until SIGTERM or SIGINT. With --tun or --hook it also carries
packets: AH and ESP in user space, without the kernel's IPsec.

)";
  constexpr std::size_t kColumn = 24;
  const auto entry = [&](std::string_view name, std::string_view help) {
    out += fmt::format("  {:<{}}", name, kColumn - 2);
    for (const char c : help) out += c == '\n' ? "\n" + std::string(kColumn, ' ') : std::string(1, c);
    out += '\n';
  };
  for (const OptionText& row : option_texts()) {
    const std::string_view name = text::first_word(row.name);
    entry(row.metavar.empty() ? std::string(name) : fmt::format("{} {}", name, row.metavar), row.help);
  }
  out += R"(
`unhook` removes what an ipsecd with --hook that has ended left in netfilter. Until then,
or until an ipsecd runs again, what its rules concern is dropped.

`status` prints the counters of a running ipsecd: SAs, packets, bytes, and drops by cause.
PATH.status serves the same, and Prometheus' format to `curl --unix-socket`.

Under systemd, ipsecd reports when it is ready (Type=notify) and uses the socket of a
socket unit (ListenSequentialPacket=).

Exit status:
)";
  for (const ExitText& row : kExitTexts) out += fmt::format("  {:<3} {}\n", static_cast<int>(row.status), row.meaning);
  return out;
}

}  // namespace ipseckey::ipsecd
