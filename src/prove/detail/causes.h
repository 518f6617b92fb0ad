#pragma once
/// THE table of causes, in four parts, in the order in which they are tried: the first that holds is the verdict.
#include <span>
#include <string>
#include <string_view>

#include "prove/judge.h"

namespace ipseckey::prove::detail {

struct Row {
  std::string_view name;
  State state;
  bool (*holds)(const Facts& f);
  std::string (*text)(const Facts& f);
  std::string (*cure)(const Facts& f);
};

std::span<const Row> sending_causes();    ///< What leaves this host in clear, or does not leave it.
std::span<const Row> arriving_causes();   ///< What the other end does not open.
std::span<const Row> returning_causes();  ///< What this host does not open, or does not get.
std::span<const Row> proof_causes();      ///< What is wrong although packets come and go.

// Cures that several causes have.
std::string load_same_keys(const Facts& f);
std::string load_new_keys(const Facts& f);
std::string load_mirrored_rule(const Facts& f);
std::string explain_there(const Facts& f);

// Shared by the parts.
bool left_sealed(const Facts& f);  ///< A probe left, protected as it should be.
bool came_sealed(const Facts& f);  ///< An answer came, protected as it should be.
const Sighting* clear_out(const Facts& f);
const Sighting* clear_back(const Facts& f);
const Sighting* sealed_back(const Facts& f);  ///< An answer, protected by whatever SA.
std::string spi_text(std::uint32_t spi);      ///< "0x1000".
std::string spi_text(const Facts& f, policy::Direction d);
std::string algorithms_text(std::uint8_t encrypt, std::uint8_t auth);

}  // namespace ipseckey::prove::detail
