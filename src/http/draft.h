#pragma once
// A head on its way through the gateway: the fields as received, minus what was dropped, plus what
// was added. Received bytes are never written to. Hooks edit drafts; the writers of HTTP/1 and of
// worker heads walk them. Names and values of additions are borrowed (arena, static text) until the
// draft ends.

#include <cstdint>
#include <string_view>

#include "base/limits.h"
#include "http/fields.h"

namespace ringtime::http {

struct Addition {
    std::string_view name;
    std::string_view value;
    FieldId id = FieldId::other;
    bool removed = false;
};

class FieldDraft {
 public:
    /// Starts from what was received; `received` outlives the draft.
    void begin(const FieldTable& received) noexcept {
        received_ = &received;
        dropped_[0] = dropped_[1] = 0;
        count_ = 0;
    }

    /// The value a reader sees now: the first that is left, additions last. data() is null when
    /// absent.
    [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
    [[nodiscard]] std::string_view get(FieldId id) const noexcept;
    [[nodiscard]] bool has(FieldId id) const noexcept { return get(id).data() != nullptr; }
    /// Known fields that may be there; those that were dropped again may still be counted.
    [[nodiscard]] FieldSet present() const noexcept {
        FieldSet set = received_->present();
        for (unsigned i = 0; i < count_; ++i) {
            if (additions_[i].id != FieldId::other) set |= field_bit(additions_[i].id);
        }
        return set;
    }

    /// Appends one line. False when limits::edits_max is reached. Syntax is the caller's to check.
    [[nodiscard]] bool add(std::string_view name, std::string_view value) noexcept;
    [[nodiscard]] bool add(FieldId id, std::string_view value) noexcept;
    /// Replaces every line of this name by one.
    [[nodiscard]] bool set(std::string_view name, std::string_view value) noexcept;
    [[nodiscard]] bool set(FieldId id, std::string_view value) noexcept;
    void remove(std::string_view name) noexcept;
    void remove(FieldId id) noexcept;
    /// Removes every line whose known id is in the set.
    void remove_all(FieldSet ids) noexcept;
    /// The text at `from` has moved to `to`: additions that point into it follow. The table's base
    /// is its owner's to change.
    void relocate(const char* from, size_t size, const char* to) noexcept;
    /// Drops one received line by its index.
    void drop(unsigned index) noexcept { dropped_[index / 64] |= uint64_t{1} << (index % 64); }
    [[nodiscard]] bool dropped(unsigned index) const noexcept {
        return (dropped_[index / 64] >> (index % 64)) & 1;
    }
    [[nodiscard]] const FieldTable& received() const noexcept { return *received_; }
    [[nodiscard]] bool edited() const noexcept {
        return count_ != 0 || (dropped_[0] | dropped_[1]) != 0;
    }

    /// Calls `on_received(field)` for each received line that is left, then `on_added(addition)`:
    /// for writers that copy received lines whole.
    template <typename OnReceived, typename OnAdded>
    void for_each_line(OnReceived&& on_received, OnAdded&& on_added) const {
        for (unsigned i = 0; i < received_->size(); ++i) {
            if (!dropped(i)) on_received((*received_)[i]);
        }
        for (unsigned i = 0; i < count_; ++i) {
            if (!additions_[i].removed) on_added(additions_[i]);
        }
    }

    /// Calls `visit(name, value, id)` for each line that is left, in order, additions last.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (unsigned i = 0; i < received_->size(); ++i) {
            if (dropped(i)) continue;
            const Field& field = (*received_)[i];
            visit(received_->name(field), received_->value(field), field.id);
        }
        for (unsigned i = 0; i < count_; ++i) {
            const Addition& addition = additions_[i];
            if (!addition.removed) visit(addition.name, addition.value, addition.id);
        }
    }

 private:
    static_assert(limits::fields_max <= 128);

    const FieldTable* received_ = nullptr;
    uint64_t dropped_[2] = {};
    unsigned count_ = 0;
    Addition additions_[limits::edits_max];
};

}  // namespace ringtime::http
