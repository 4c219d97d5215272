#include "http/fields.h"

#include "http/interning.h"

namespace ringtime::http {

FieldId intern(std::string_view name) noexcept { return interning::find(name.data(), name.size()); }

std::string_view field_name(FieldId id) noexcept {
    auto index = static_cast<size_t>(id);
    return index < interning::kCount ? interning::kNames[index] : std::string_view{};
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        auto x = static_cast<uint8_t>(a[i]);
        auto y = static_cast<uint8_t>(b[i]);
        if (x == y) continue;
        // Differing in the case bit alone, and being a letter.
        if ((x ^ y) != 0x20) return false;
        uint8_t lower = x | 0x20;
        if (lower < 'a' || lower > 'z') return false;
    }
    return true;
}

const Field* FieldTable::find(std::string_view wanted) const noexcept {
    FieldId id = intern(wanted);
    if (id != FieldId::other) return find(id);
    for (unsigned i = 0; i < count_; ++i) {
        if (fields_[i].id == FieldId::other && equal_ignoring_case(name(fields_[i]), wanted)) {
            return &fields_[i];
        }
    }
    return nullptr;
}

}  // namespace ringtime::http
