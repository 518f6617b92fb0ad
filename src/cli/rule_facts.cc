#include "cli/rule_facts.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "kernel/facts.h"
#include "system/text_in.h"

namespace ipseckey::cli {
namespace {

namespace fs = std::filesystem;

std::optional<int> number_in(const std::string& path) {
  const std::string text = text_in(path);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::vector<std::string> interfaces(const std::string& conf) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(conf, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::ranges::sort(names);
  return names;
}

// Of IPv4 `lo` both are usual.
std::vector<std::string> with(const std::string& conf, std::string_view setting) {
  std::vector<std::string> names;
  for (const std::string& name : interfaces(conf))
    if (name != "lo" && name != "default" && number_in(conf + "/" + name + "/" + std::string(setting)) == 1)
      names.push_back(name);
  return names;
}

}  // namespace

RuleFacts rule_facts(const std::string& root) {
  const std::string net = root + "/proc/sys/net", v4 = net + "/ipv4/conf", v6 = net + "/ipv6/conf";
  RuleFacts facts;
  facts.counters =
      kernel::error_counters(root.empty() ? kernel::KernelFiles() : kernel::KernelFiles(root, std::string()));
  if (const auto drops = number_in(net + "/core/xfrm_larval_drop")) facts.larval_drop = *drops != 0;
  facts.without_check = with(v4, "disable_policy");
  facts.without_ipsec = with(v4, "disable_xfrm");
  facts.strict_source = with(v4, "rp_filter");
  facts.forwards_v4 = number_in(v4 + "/all/forwarding").value_or(0) == 1;
  facts.forwards_v6 = number_in(v6 + "/all/forwarding").value_or(0) == 1;
  return facts;
}

}  // namespace ipseckey::cli
