#include "backend/sa_name.h"

namespace ipseckey::backend {

SaName name_of(const pfkey::Message& m) { return {m.satype, m.sa->spi, m.dst->address, m.mark ? m.mark->value : 0}; }

void bind(Store::Statement& to, const SaName& name) {
  to.bind(static_cast<std::uint64_t>(name.satype));
  to.bind(name.spi);
  to.bind(to_string(name.dst));
  to.bind(name.mark);
}

SaName name_at(const Store::Statement& row, int first_column) {
  return {static_cast<pfkey::SaType>(row.number(first_column)),
          static_cast<std::uint32_t>(row.number(first_column + 1)),
          parse_address(row.text(first_column + 2)).value_or(Address{}),
          static_cast<std::uint32_t>(row.number(first_column + 3))};
}

}  // namespace ipseckey::backend
