#include "ipsecd/engine_options.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "crypto/crypto.h"
#include "ipsecd/packets/dataplane.h"
#include "system/clock.h"
#include "traffic/cause.h"

namespace ipseckey::ipsecd {

std::vector<const pfkey::Algorithm*> lacking() {
  std::vector<const pfkey::Algorithm*> rows;
  for (const pfkey::Algorithm& row : pfkey::algorithms())
    if (!crypto::available(row)) rows.push_back(&row);
  return rows;
}

engine::Options engine_options(LocalAddresses& local, Dataplane* dataplane, engine::Keeper* keeper) {
  engine::Options options;
  options.carrier = dataplane;
  options.keeper = keeper;
  // Without a data plane the SAs are for other programs, which have libraries of their own.
  if (dataplane) {
    options.usable = [rows = lacking()](const pfkey::Algorithm& row) {
      return std::ranges::find(rows, &row) == rows.end();
    };
    options.cure = crypto::cure;
  }
  options.is_local = [&local](const Address& a) { return local.contains(a, system_now().steady); };
  // The library's default source may be a device file, and ipsecd cannot open files once it serves.
  options.random = [] {
    std::array<std::byte, sizeof(std::uint32_t)> octets;
    crypto::random_bytes(octets);
    return std::bit_cast<std::uint32_t>(octets);
  };
  return options;
}

namespace {

std::string reason_of(traffic::Cause cause) {
  return fmt::format("{} ({})", traffic::sentence(cause), traffic::name(cause));
}

pfpolicy::Dropped dropped_of(const traffic::Totals& totals) {
  pfpolicy::Dropped all;
  for (std::size_t i = 1; i < traffic::kCauses; ++i) {
    if (totals.drops[i] == 0) continue;
    all.packets += totals.drops[i];
    all.why += fmt::format("{}{}: {}", all.why.empty() ? "" : "; ", totals.drops[i],
                           reason_of(static_cast<traffic::Cause>(i)));
  }
  return all;
}

}  // namespace

engine::RuleBookOptions rule_options(Dataplane* dataplane, bool need_packets) {
  engine::RuleBookOptions options;
  options.in_force = [dataplane](std::shared_ptr<const policy::Lookup> rules) {
    if (dataplane) dataplane->rules(std::move(rules));
  };
  options.not_in_force = [dataplane] { return dataplane ? dataplane->refusal() : std::string(); };
  options.waits = [dataplane] {
    const auto hooked = dataplane ? dataplane->hooked() : std::nullopt;
    return hooked && hooked->waiting;
  };
  options.cause = [](std::uint8_t cause) { return reason_of(static_cast<traffic::Cause>(cause)); };
  options.dropped = [dataplane]() -> std::pair<pfpolicy::Dropped, pfpolicy::Dropped> {
    if (!dataplane) return {};
    return {dropped_of(dataplane->outbound()), dropped_of(dataplane->inbound())};
  };
  options.has_link = [](std::string_view name) { return ::if_nametoindex(std::string(name).c_str()) != 0; };
  if (!dataplane && need_packets)
    options.idle =
        "this ipsecd carries no packets, so nothing would obey the rules: start it with --hook, or give the rules to "
        "the kernel (--sadb kernel)";
  if (dataplane && !dataplane->hooked())
    options.unseen =
        fmt::format("this ipsecd has no --hook: rules do not see what arrives in clear, nor what is not routed into {}",
                    dataplane->device());
  return options;
}

}  // namespace ipseckey::ipsecd
