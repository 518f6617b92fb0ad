#include "backend/kernel_facts.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace backend {
namespace {

std::string plain(std::string_view name) {
  std::string out(name);
  std::ranges::replace(out, '-', '_');
  return out;
}

// "kernel/net/ipv4/esp4.ko.xz: ..." or "kernel/net/ipv4/esp4.ko" as "esp4".
std::string module_of(std::string_view line) {
  line = line.substr(0, line.find(':'));
  line.remove_prefix(line.rfind('/') + 1);
  return plain(line.substr(0, line.find(".ko")));
}

bool lists(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (module_of(line) == name) return true;
  return false;
}

}  // namespace

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

Presence module_presence(std::string_view wanted) {
  const std::string name = plain(wanted);
  std::ifstream loaded("/proc/modules");
  for (std::string line; std::getline(loaded, line);)
    if (line.substr(0, line.find(' ')) == name) return Presence::there;
  if (::access(("/sys/module/" + name).c_str(), F_OK) == 0) return Presence::there;
  utsname system{};
  if (::uname(&system) != 0) return Presence::missing;
  for (const std::string_view root : {"/lib/modules/", "/usr/lib/modules/", "/usr/lib/uml/modules/"}) {
    const std::string folder = fmt::format("{}{}/", root, system.release);
    if (lists(folder + "modules.builtin", name)) return Presence::there;
    if (lists(folder + "modules.dep", name)) return Presence::loadable;
  }
  return Presence::missing;
}

std::vector<std::string> crypto_names() {
  std::vector<std::string> names;
  std::ifstream file("/proc/crypto");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("name") && colon != std::string::npos) names.push_back(line.substr(colon + 2));
  }
  return names;
}

std::string kernel_lacks() {
  static constexpr std::array kTypes = {"esp4", "esp6", "ah4", "ah6"};
  const bool any =
      std::ranges::any_of(kTypes, [](const char* name) { return module_presence(name) != Presence::missing; });
  if (any) return "";
  return "this kernel has no ESP and no AH: modules esp4, esp6, ah4 and ah6 are missing; `modprobe esp4`";
}

}  // namespace backend
