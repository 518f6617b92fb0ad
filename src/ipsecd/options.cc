#include "ipsecd/options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <variant>

#include "base/text.h"
#include "ipsecd/exit.h"
#include "system/option_words.h"

namespace ipsecd {
namespace {

struct Range {
  unsigned least = 0, most = 0;
};

// One row for each option with a value: its name, where the value goes, what it may be, what help says.
struct Row {
  std::string_view name, metavar;
  std::variant<std::optional<std::string> Options::*, std::optional<unsigned> Options::*> slot;
  Range range;
  bool packets;  // It is about carrying packets: needs --tun.
  std::string_view help;
  std::string_view words = {};  // What it may be; empty: anything.
};
constexpr std::array kRows = {
    Row{"--socket",
        "PATH",
        &Options::socket,
        {},
        false,
        "where to listen; default: /run/ipsecd/pfkey.sock, without root\n"
        "$XDG_RUNTIME_DIR/ipsecd/pfkey.sock (their folder is made if need be)"},
    Row{"--user",
        "NAME",
        &Options::user,
        {},
        false,
        "become this user once everything is open, and keep CAP_NET_ADMIN\nand CAP_NET_RAW alone"},
    Row{"--group",
        "NAME",
        &Options::group,
        {},
        false,
        "serve members of this group as it serves root; the socket is\n"
        "then theirs, mode 0660"},
    Row{"--read-group",
        "NAME",
        &Options::read_group,
        {},
        false,
        "let members of this group get and dump SAs, without keys, listen for\n"
        "changes, and ask for the status"},
    Row{"--max-clients", "N", &Options::clients, {1, 65536}, false, "connections at a time; default 1024"},
    Row{"--max-user-clients",
        "N",
        &Options::user_clients,
        {1, 65536},
        false,
        "of them of one user who is not root nor its own; default 64"},
    Row{"--max-sas", "N", &Options::sas, {1, UINT32_MAX}, false, "SAs in the database; default: no limit"},
    Row{"--tun",
        "NAME",
        &Options::tun,
        {},
        false,
        "carry packets: make this TUN device; what is routed into it leaves\n"
        "protected by the SAs or is dropped (doc/dataplane.md)"},
    Row{"--workers", "N", &Options::workers, {1, 64}, true, "packet threads; default 1"},
    Row{"--mtu", "BYTES", &Options::mtu, {1280, 65535}, true, "what the host's links take; default 1500"},
    Row{"--mark",
        "N",
        &Options::mark,
        {1, UINT32_MAX},
        true,
        "mark protected packets, so that `ip rule` can tell them from\nwhat is to be protected"},
    Row{"--icmp-errors",
        "WHOSE",
        &Options::icmp,
        {},
        true,
        "how the tunnel of an ICMP error is found: own: only by\n"
        "the error's own header; quoted (default): if that fails, by the packet\n"
        "that it quotes; both: the same, and an arriving error whose quoted packet\n"
        "does not fit its SA is dropped",
        "quoted own both"},
    Row{"--outer-source",
        "WHICH",
        &Options::source,
        {},
        true,
        "outer sources that a tunnel accepts: any (default), because\n"
        "the key identifies the sender; same: only the SA's source",
        "any same"},
};

// One row for each option without a value. Neither what nor flag: it asks for the only way there is.
struct Word {
  std::string_view names;
  std::optional<Options::Do> what;
  bool Options::* flag;
  std::string_view help;
  bool packets = false;  // As in Row.
};
constexpr std::array kWords = {
    Word{"--no-offload",
         {},
         &Options::no_offload,
         "take each packet of the host's stack by itself, and send\nand receive each by itself",
         true},
    Word{"--mss-clamp",
         {},
         &Options::mss_clamp,
         "lower the segment size in TCP's SYN and SYN-ACK through\na tunnel to what path and SA leave room "
         "for",
         true},
    Word{"--nat-follow",
         {},
         &Options::nat_follow,
         "send ESP in UDP to where the peer's packets come from, when\nits NAT shows another port or "
         "address",
         true},
    Word{"--beside-ike",
         {},
         &Options::beside_ike,
         "leave the UDP ports of SAs to an IKE daemon, and take the\nESP in UDP beside it "
         "(doc/dataplane.md)",
         true},
    Word{"--no-path-reports",
         {},
         &Options::no_path_reports,
         "ignore ICMP errors that report a narrow path, which anybody\n"
         "can forge; without this they are believed down to 552 bytes (IPv6: 1280)",
         true},
    Word{"--keep",
         {},
         &Options::keep,
         "under systemd: have it hold the SAs, sealed, so that they go on after\na restart or a crash "
         "(FileDescriptorStoreMax=67; doc/service.md)"},
    Word{"--json", {}, &Options::json, "with status: print it as one JSON object"},
    Word{"--owner-only",
         {},
         nullptr,
         "serve root and the user who runs ipsecd only; this is so without\n--group and --read-group"},
    Word{"--foreground", {}, nullptr, "do not go into the background; this is always so"},
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
        if (options.*slot) return fail(Errc::syntax, fmt::format("{} stands twice", row.name));
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
  return fail(Errc::syntax, fmt::format("Unknown word '{}'; `ipsecd --help` lists what there is", word));
}

Result<void> set(Options& options, const OptionWords::Found& found) {
  using enum OptionWords::Found::Kind;
  if (found.kind == unknown || found.kind == surplus_value) return unknown_word(found.word);
  const bool grouped = !found.name.starts_with("--") && found.word != found.name;  // No letters together here.
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
    if (given && row.packets && !options.tun)
      return fail(Errc::syntax, fmt::format("{} is about packets: it needs --tun NAME", row.name));
    if (given && options.what == Options::Do::status && row.name != "--socket")
      return fail(Errc::syntax, fmt::format("status takes --socket PATH and --json, not {}", row.name));
  }
  for (const Word& row : kWords)
    if (row.packets && options.*row.flag && !options.tun)
      return fail(Errc::syntax, fmt::format("{} is about packets: it needs --tun NAME", row.names));
  if (options.keep && options.what == Options::Do::status)
    return fail(Errc::syntax, "status takes --socket PATH and --json, not --keep");
  if (options.json && options.what != Options::Do::status) return fail(Errc::syntax, "--json goes with status");
  return {};
}

std::string described(bool packets, std::string_view help) {
  return fmt::format("{}{}", packets ? "with --tun: " : "", help);
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
    } else if (left.rest().size() == words.size() && word == "status") {
      options.what = Options::Do::status;
      left.skip();
    } else {
      return unknown_word(word);
    }
  }
  if (options.what != Options::Do::serve && options.what != Options::Do::status) return options;
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

Keeps a database of IPsec security associations and serves it as PF_KEY v2 messages
over a Unix socket, in the foreground, until SIGTERM or SIGINT. With --tun it carries
packets for them too: AH and ESP in user space, without the kernel's IPsec.

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
`status` prints what a running ipsecd counts: SAs, packets, bytes, and drops by cause.
The same is served at PATH.status, to `curl --unix-socket` in Prometheus' format too.

Under systemd it says when it is ready (Type=notify) and takes over the socket of a
socket unit (ListenSequentialPacket=).

Exit status:
)";
  for (const ExitText& row : kExitTexts) out += fmt::format("  {:<3} {}\n", static_cast<int>(row.status), row.meaning);
  return out;
}

}  // namespace ipsecd
