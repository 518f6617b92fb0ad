#include "kernel/detail/offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/cast.h"
#include "system/descriptor.h"

namespace ipseckey::kernel {
namespace {

constexpr std::string_view kFeature = "esp-hw-offload";

// The kernel's structures end in arrays: the head and the array it describes share one block of memory.
template <class Head>
std::optional<std::vector<std::byte>> ask(int fd, const std::string& device, Head head, std::size_t behind) {
  std::vector<std::byte> room(sizeof head + behind);
  std::memcpy(room.data(), &head, sizeof head);
  ifreq request{};
  std::ranges::copy(device.substr(0, IF_NAMESIZE - 1), request.ifr_name);
  request.ifr_data = octets_as<char>(room.data());
  if (::ioctl(fd, SIOCETHTOOL, &request) != 0) return std::nullopt;
  return room;
}

template <class T>
T read(std::span<const std::byte> from, std::size_t at) {
  T value{};
  if (at + sizeof value <= from.size()) std::memcpy(&value, from.data() + at, sizeof value);
  return value;
}

bool has_feature(int fd, const std::string& device) {
  ethtool_sset_info sets{};
  sets.cmd = ETHTOOL_GSSET_INFO;
  sets.sset_mask = 1ull << ETH_SS_FEATURES;
  const auto sizes = ask(fd, device, sets, sizeof(std::uint32_t));
  const auto count = sizes ? read<std::uint32_t>(*sizes, sizeof sets) : 0;
  ethtool_gstrings names{};
  names.cmd = ETHTOOL_GSTRINGS, names.string_set = ETH_SS_FEATURES, names.len = count;
  const auto strings = ask(fd, device, names, std::size_t{count} * ETH_GSTRING_LEN);
  ethtool_gfeatures wanted{};
  wanted.cmd = ETHTOOL_GFEATURES, wanted.size = (count + 31) / 32;
  const auto features = ask(fd, device, wanted, wanted.size * sizeof(ethtool_get_features_block));
  if (count == 0 || !strings || !features) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string name;
    for (std::size_t at = sizeof names + std::size_t{i} * ETH_GSTRING_LEN; name.size() < ETH_GSTRING_LEN; ++at) {
      const char c = read<char>(*strings, at);
      if (c == '\0') break;
      name.push_back(c);
    }
    if (name != kFeature) continue;
    const auto block =
        read<ethtool_get_features_block>(*features, sizeof wanted + i / 32 * sizeof(ethtool_get_features_block));
    return ((block.available | block.active) >> i % 32 & 1) != 0;
  }
  return false;
}

}  // namespace

std::vector<std::string> offload_devices() {
  std::vector<std::string> devices;
  const Descriptor fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return devices;
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(::if_nameindex(), ::if_freenameindex);
  for (const struct if_nameindex* i = list.get(); i && i->if_index != 0; ++i)
    if (has_feature(fd.get(), i->if_name)) devices.emplace_back(i->if_name);
  return devices;
}

}  // namespace ipseckey::kernel
