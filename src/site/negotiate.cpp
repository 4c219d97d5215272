#include "site/negotiate.h"

#include <algorithm>

#include "http/syntax.h"

namespace ringtime::site {
namespace {

constexpr std::string_view kNames[codings_count] = {"identity", "br", "zstd", "gzip"};

}  // namespace

std::string_view coding_name(Coding coding) noexcept {
    return kNames[static_cast<unsigned>(coding)];
}

std::string_view coding_suffix(Coding coding) noexcept {
    constexpr std::string_view suffixes[codings_count] = {"", ".br", ".zst", ".gz"};
    return suffixes[static_cast<unsigned>(coding)];
}

AcceptedCodings::AcceptedCodings(const http::FieldDraft& fields) noexcept {
    fields.for_each([&](std::string_view, std::string_view value, http::FieldId field) {
        if (field != http::FieldId::accept_encoding) return;
        unsigned line[codings_count];
        http::qualities_of(value, kNames, line);
        for (unsigned i = 0; i < codings_count; ++i) weights_[i] = std::max(weights_[i], line[i]);
    });
}

Coding AcceptedCodings::best_of(CodingSet available) const noexcept {
    Coding best = Coding::identity;
    // Identity is acceptable unlisted, but then any listed coding goes before it; a tie is a
    // coding's.
    unsigned best_weight = weights_[0];
    for (unsigned i = 1; i < codings_count; ++i) {
        auto coding = static_cast<Coding>(i);
        if (!(available & coding_bit(coding))) continue;
        if (weights_[i] == 0 || weights_[i] < best_weight) continue;
        if (weights_[i] == best_weight && best != Coding::identity) continue;
        best = coding;
        best_weight = weights_[i];
    }
    return best;
}

bool wants_html(const http::FieldDraft& fields) noexcept {
    bool wanted = false;
    fields.for_each([&](std::string_view, std::string_view value, http::FieldId field) {
        wanted = wanted || (field == http::FieldId::accept && http::quality_of(value, "text/html"));
    });
    return wanted;
}

}  // namespace ringtime::site
