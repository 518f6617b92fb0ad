#include <linux/filter.h>

#include "ipsecd/packets/inlet.h"
#include "traffic/header.h"

namespace ipseckey::ipsecd {

// The filter sees the IP header only for IPv4. A load beyond the end would drop the packet in every socket, uncounted.
std::vector<sock_filter> share_filter(Family family, std::uint8_t protocol, Share share) {
  const std::uint32_t spi_at = protocol == traffic::kAh ? 4 : 0;
  const std::uint32_t of_short = share.number == 0 ? UINT32_MAX : 0;
  std::vector<sock_filter> code;
  if (family == Family::v4) {
    code = {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
            BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0)};
  } else {
    code = {BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0)};
  }
  const auto size = static_cast<std::uint32_t>(sizeof(std::uint32_t));
  code.insert(code.end(),
              {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, spi_at + size, 1, 0), BPF_STMT(BPF_RET | BPF_K, of_short),
               BPF_STMT(BPF_LD | BPF_W | BPF_IND, spi_at), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, share.count),
               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, share.number, 0, 1), BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
               BPF_STMT(BPF_RET | BPF_K, 0)});
  return code;
}

}  // namespace ipseckey::ipsecd
