// What the kernel supports, found out by requesting SAs that it will refuse:
// 1. example() builds an SA between documentation addresses; put_misfit() adds an invalid replay window.
// 2. try_out() sends them in one batch. The kernel checks type and algorithms before the window, so its error shows
//    which check failed; an SA that it accepted nevertheless is deleted.
// 3. ask_kernel() tests each algorithm, then each type and family, and builds a report; read_files() builds the report
//    for a user without the right to ask the kernel.
// 4. Trials reports what the kernel lacks for single SAs, and remembers each kind.
#include "kernel/trial.h"

#include <fmt/format.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "pfkey/algorithms.h"
#include "system/errno_text.h"

namespace ipseckey::kernel {
namespace {

using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::Message;
using pfkey::SaType;

constexpr std::array kTypes = {SaType::esp, SaType::ah};
constexpr std::array kFamilies = {Family::v4, Family::v6};

std::string_view type_word(SaType type) { return type == SaType::esp ? "ESP" : "AH"; }
std::string_view family_word(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }

// The result of a trial.
enum class Tried : std::uint8_t {
  works,
  no_type,       // The protocol is missing; the algorithms exist.
  no_algorithm,  // The crypto API lacks an algorithm.
  refused,       // It failed for another reason.
};

// The verdict of one trial.
struct TrialResult {
  Tried tried = Tried::refused;
  int error = 0;     // errno; EINVAL if the kind works.
  std::string text;  // The kernel's own words, or its errno.
};

// A replay state with a window that is one packet too large for its bitmap.
void put_misfit(NetlinkBatch& out) {
  struct {
    xfrm::WideReplay head;
    std::uint32_t bitmap;
  } state{};
  state.head.bmp_len = 1, state.head.replay_window = 33;
  out.attribute(XFRMA_REPLAY_ESN_VAL, xfrm::bytes_of(state));
}

TrialResult result_of(const Netlink::Verdict& verdict) {
  TrialResult out{Tried::refused, verdict.error, verdict.text};
  if (out.text.empty()) out.text = fmt::format("{} (errno {})", errno_text(verdict.error), verdict.error);
  const auto says = [&](std::string_view word) { return verdict.text.find(word) != std::string::npos; };
  if (verdict.error == EPROTONOSUPPORT) out.tried = Tried::no_type;
  if (verdict.error == ENOSYS || verdict.error == ENOENT) out.tried = Tried::no_algorithm;
  if (verdict.error == EINVAL && (says("eplay") || verdict.text.empty())) out.tried = Tried::works;
  return out;
}

pfkey::Key some_key(unsigned bits) {
  Secret material(bits / 8);
  for (std::size_t i = 0; i < material.size(); ++i) material.bytes()[i] = static_cast<std::byte>(7 * i + 1);
  return {static_cast<std::uint16_t>(bits), 0, std::move(material)};
}

// An SA between documentation addresses (RFC 5737, RFC 3849).
Message example(SaType type, Family family, const Algorithm* mac, const Algorithm* cipher) {
  Message m;
  m.type = pfkey::Type::add;
  m.satype = type;
  m.sa = pfkey::Sa{.spi = 0x7fff'fff0, .state = pfkey::State::mature};
  m.src = pfkey::Endpoint{.address = *parse_address(family == Family::v4 ? "192.0.2.1" : "2001:db8::1")};
  m.dst = pfkey::Endpoint{.address = *parse_address(family == Family::v4 ? "192.0.2.2" : "2001:db8::2")};
  if (mac && (type == SaType::ah || !cipher || !cipher->combined())) {
    m.sa->auth = mac->number;
    m.auth_key = some_key(mac->max_bits);
  }
  if (cipher && type == SaType::esp) {
    m.sa->encrypt = cipher->number;
    if (cipher->takes_key()) m.encrypt_key = some_key(cipher->max_bits + cipher->salt_bits);
  }
  return m;
}

// Tries complete ADD messages. Error denied: this user lacks the right; the other errors are Netlink's.
Result<std::vector<TrialResult>> try_out(Netlink& netlink, std::span<const Message> sas) {
  NetlinkBatch batch;
  for (const Message& m : sas) {
    xfrm::put_sa(m, XFRM_MSG_NEWSA, {}, batch);
    put_misfit(batch);
  }
  std::vector<TrialResult> results(sas.size());
  std::vector<std::size_t> added;
  bool denied = false;
  const auto done = netlink.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t i, const Netlink::Verdict& verdict) {
        denied = denied || verdict.error == EPERM;
        results[i] = result_of(verdict);
        if (verdict.error == 0) added.push_back(i);
      });
  if (!done) return std::unexpected(done.error());
  // If a kernel accepted one, it must not keep it.
  NetlinkBatch back;
  for (const std::size_t i : added) {
    results[i].tried = Tried::works;
    xfrm::put_name(sas[i], XFRM_MSG_DELSA, back);
  }
  if (back.count() > 0)
    if (auto gone = netlink.exchange(
            back, [](std::size_t, const NetlinkMessage&) {}, [](std::size_t, const Netlink::Verdict&) {});
        !gone)
      return std::unexpected(gone.error());
  if (denied) return fail(Errc::denied, "testing what the kernel supports needs CAP_NET_ADMIN: run it as root");
  return results;
}

// The algorithms of a kind, each with its result.
struct Found {
  const Algorithm* row;
  TrialResult result;
};
const Algorithm* first_there(const std::vector<Found>& found) {
  for (const Found& f : found)
    if (f.result.tried == Tried::works || f.result.tried == Tried::no_type) return f.row;
  return nullptr;
}

Result<std::vector<Found>> try_algorithms(Netlink& netlink, AlgorithmKind kind, const Algorithm* mac) {
  std::vector<Found> found;
  std::vector<Message> sas;
  for (const Algorithm& a : pfkey::algorithms()) {
    if (a.kind != kind) continue;
    found.push_back({&a, {}});
    sas.push_back(kind == AlgorithmKind::auth ? example(SaType::ah, Family::v4, &a, nullptr)
                                              : example(SaType::esp, Family::v4, mac, &a));
  }
  auto results = try_out(netlink, sas);
  if (!results) return std::unexpected(results.error());
  for (std::size_t i = 0; i < found.size(); ++i) found[i].result = std::move((*results)[i]);
  return found;
}

Presence presence_of(Tried tried) {
  return tried == Tried::works          ? Presence::there
         : tried == Tried::no_algorithm ? Presence::missing
         : tried == Tried::no_type      ? Presence::there  // The algorithms are checked before the protocol.
                                        : Presence::unknown;
}

std::string load(const std::string& module) { return fmt::format("modprobe {}", module); }

void add_type(KernelReport& report, SaType type, Family family, Presence presence) {
  report.facts.push_back({"protocol", fmt::format("{} over {}", type_word(type), family_word(family)), presence,
                          presence == Presence::there ? "" : load(type_module(type, family))});
}

// Features that combine ESP with something else. NAT traversal is part of ESP itself.
void add_features(KernelReport& report, Presence esn, Presence esp) {
  report.facts.push_back({"feature", "ESN", std::max(esn, esp)});
  report.facts.push_back({"feature", "NAT-T", esp});
}

Result<KernelReport> ask_kernel(Netlink& netlink) {
  KernelReport report{.asked = true, .facts = {}};
  const auto macs = try_algorithms(netlink, AlgorithmKind::auth, nullptr);
  if (!macs) return std::unexpected(macs.error());
  const Algorithm* const mac = first_there(*macs);
  const auto ciphers = try_algorithms(netlink, AlgorithmKind::encrypt, mac);
  if (!ciphers) return std::unexpected(ciphers.error());
  const Algorithm* const cipher = first_there(*ciphers);

  std::vector<Message> sas;
  for (const SaType type : kTypes)
    for (const Family family : kFamilies) sas.push_back(example(type, family, mac, cipher));
  sas.push_back(example(SaType::esp, Family::v4, mac, cipher));
  sas.back().replay_window = pfkey::ReplayWindow{32, true};
  const auto results = try_out(netlink, sas);
  if (!results) return std::unexpected(results.error());

  const auto type_there = [&](std::size_t i) {
    const Tried tried = (*results)[i].tried;
    return tried == Tried::works ? Presence::there : tried == Tried::no_type ? Presence::missing : Presence::unknown;
  };
  std::size_t at = 0;
  for (const SaType type : kTypes)
    for (const Family family : kFamilies) add_type(report, type, family, type_there(at++));
  for (const auto& [topic, list] : {std::pair("authentication", &*macs), std::pair("encryption", &*ciphers)})
    for (const Found& f : *list)
      report.facts.push_back({topic, std::string(f.row->name()), presence_of(f.result.tried)});
  add_features(report, type_there(at), type_there(0));
  return report;
}

KernelReport read_files(const KernelFiles& files) {
  KernelReport report;
  for (const SaType type : kTypes)
    for (const Family family : kFamilies)
      add_type(report, type, family, module_presence(files, type_module(type, family)));
  for (const auto& [topic, kind] :
       {std::pair("authentication", AlgorithmKind::auth), std::pair("encryption", AlgorithmKind::encrypt)})
    for (const Algorithm& a : pfkey::algorithms())
      if (a.kind == kind) report.facts.push_back({topic, std::string(a.name()), algorithm_presence(files, a.kernel)});
  add_features(report, module_presence(files, "authencesn"), report.facts.front().presence);
  return report;
}

}  // namespace

std::optional<Lack> Trials::lack(const Message& sa) {
  const auto size = [](const auto& key) { return key ? key->material.size() : std::size_t{0}; };
  const Kind kind{sa.satype,         sa.dst->address.family, sa.inner_dst.has_value(), sa.sa->auth,
                  size(sa.auth_key), sa.sa->encrypt,         size(sa.encrypt_key)};
  const auto [row, is_new] = known_.try_emplace(kind);
  if (is_new) row->second = try_kind(sa);
  return row->second;
}

// Without the right to ask the kernel, only the files remain.
std::optional<Lack> Trials::try_kind(const Message& sa) {
  Message kind = example(sa.satype, sa.dst->address.family, nullptr, nullptr);
  kind.sa->auth = sa.sa->auth, kind.sa->encrypt = sa.sa->encrypt;
  if (sa.auth_key) kind.auth_key = some_key(static_cast<unsigned>(sa.auth_key->material.size() * 8));
  if (sa.encrypt_key) kind.encrypt_key = some_key(static_cast<unsigned>(sa.encrypt_key->material.size() * 8));
  if (sa.inner_dst) kind.inner_src = sa.inner_src, kind.inner_dst = sa.inner_dst;
  auto netlink = connect_();
  const auto results = netlink ? try_out(*netlink, {&kind, 1}) : std::unexpected(netlink.error());
  if (!results) return missing_file(sa);
  const TrialResult& result = results->front();
  switch (result.tried) {
    case Tried::works:
      return std::nullopt;
    case Tried::no_type:
      return Lack{result.error, result.text, result.text.find("mode") == std::string::npos};
    case Tried::no_algorithm:
      return Lack{result.error, result.text, false};
    case Tried::refused:  // EINVAL is a lasting verdict on the request; other errors may be temporary.
      return result.error == EINVAL ? std::optional(Lack{result.error, result.text, false}) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<Lack> Trials::missing_file(const Message& sa) const {
  if (module_presence(files_, type_module(sa.satype, sa.dst->address.family)) == Presence::missing)
    return Lack{EPROTONOSUPPORT, "", true};
  for (const auto& [kind, number] :
       {std::pair(AlgorithmKind::auth, sa.sa->auth), std::pair(AlgorithmKind::encrypt, sa.sa->encrypt)}) {
    const Algorithm* const row = number != 0 ? pfkey::find_algorithm(kind, number) : nullptr;
    if (row && algorithm_presence(files_, row->kernel) == Presence::missing) return Lack{ENOSYS, "", false};
  }
  return std::nullopt;
}

KernelReport kernel_report(const KernelFiles& files, const Connect& connect) {
  auto netlink = connect();
  if (netlink)
    if (auto asked = ask_kernel(*netlink)) return std::move(*asked);
  return read_files(files);
}

Presence type_presence(const KernelFiles& files, const Connect& connect, SaType type, Family family) {
  const Presence seen = module_presence(files, type_module(type, family));
  if (seen != Presence::unknown) return seen;
  auto netlink = connect();
  if (!netlink) return seen;
  const std::string wanted = fmt::format("{} over {}", type_word(type), family_word(family));
  const auto report = ask_kernel(*netlink);
  if (!report) return seen;
  const auto fact = std::ranges::find(report->facts, wanted, &KernelFact::name);
  return fact == report->facts.end() ? seen : fact->presence;
}

std::string kernel_lacks(const KernelFiles& files, const Connect& connect) {
  for (const SaType type : kTypes)
    for (const Family family : kFamilies)
      if (const Presence seen = module_presence(files, type_module(type, family));
          seen == Presence::there || seen == Presence::loadable)
        return "";
  auto netlink = connect();
  if (!netlink) return netlink.error().text;
  if (const auto report = ask_kernel(*netlink))
    for (const KernelFact& fact : report->facts)
      if (fact.topic == "protocol" && fact.presence == Presence::there) return "";
  return "this kernel has neither ESP nor AH: modules esp4, esp6, ah4 and ah6 are missing; `modprobe esp4`";
}

}  // namespace ipseckey::kernel
