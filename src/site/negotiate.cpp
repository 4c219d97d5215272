#include "site/negotiate.h"

#include <algorithm>

#include "http/syntax.h"

namespace ringtime::site {
namespace {

/// The highest weight any line of a field gives to `wanted`, in thousandths.
unsigned weight_of(const http::FieldDraft& fields, http::FieldId id,
                   std::string_view wanted) noexcept {
    unsigned weight = 0;
    fields.for_each([&](std::string_view, std::string_view value, http::FieldId field) {
        if (field == id) weight = std::max(weight, http::quality_of(value, wanted));
    });
    return weight;
}

}  // namespace

std::string_view coding_name(Coding coding) noexcept {
    constexpr std::string_view names[codings_count] = {"identity", "br", "zstd", "gzip"};
    return names[static_cast<unsigned>(coding)];
}

std::string_view coding_suffix(Coding coding) noexcept {
    constexpr std::string_view suffixes[codings_count] = {"", ".br", ".zst", ".gz"};
    return suffixes[static_cast<unsigned>(coding)];
}

Coding choose_coding(const http::FieldDraft& fields, CodingSet available) noexcept {
    constexpr auto id = http::FieldId::accept_encoding;
    if (available == coding_bit(Coding::identity) || !fields.has(id)) return Coding::identity;
    Coding best = Coding::identity;
    // Identity is acceptable unlisted, but then any listed coding goes before it; a tie is a
    // coding's.
    unsigned best_weight = weight_of(fields, id, coding_name(Coding::identity));
    for (unsigned i = 1; i < codings_count; ++i) {
        auto coding = static_cast<Coding>(i);
        if (!(available & coding_bit(coding))) continue;
        unsigned weight = weight_of(fields, id, coding_name(coding));
        if (weight == 0 || weight < best_weight) continue;
        if (weight == best_weight && best != Coding::identity) continue;
        best = coding;
        best_weight = weight;
    }
    return best;
}

bool wants_html(const http::FieldDraft& fields) noexcept {
    return weight_of(fields, http::FieldId::accept, "text/html") > 0;
}

}  // namespace ringtime::site
