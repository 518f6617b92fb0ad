#include "system/text_in.h"

#include <fstream>
#include <iterator>

namespace ipseckey {

std::string text_in(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ipseckey
