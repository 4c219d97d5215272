#include "http/draft.h"

namespace ringtime::http {

std::string_view FieldDraft::get(FieldId id) const noexcept {
    if (received_->has(id)) {
        for (const Field* field = received_->find(id); field; field = received_->next(*field)) {
            if (!dropped(static_cast<unsigned>(field - &(*received_)[0])))
                return received_->value(*field);
        }
    }
    for (unsigned i = 0; i < count_; ++i) {
        if (additions_[i].id == id && !additions_[i].removed) return additions_[i].value;
    }
    return {};
}

std::string_view FieldDraft::get(std::string_view name) const noexcept {
    FieldId id = intern(name);
    if (id != FieldId::other) return get(id);
    for (unsigned i = 0; i < received_->size(); ++i) {
        const Field& field = (*received_)[i];
        if (field.id == FieldId::other && !dropped(i) &&
            equal_ignoring_case(received_->name(field), name))
            return received_->value(field);
    }
    for (unsigned i = 0; i < count_; ++i) {
        if (!additions_[i].removed && equal_ignoring_case(additions_[i].name, name))
            return additions_[i].value;
    }
    return {};
}

bool FieldDraft::add(std::string_view name, std::string_view value) noexcept {
    if (count_ == limits::edits_max) return false;
    additions_[count_++] = {name, value, intern(name), false};
    return true;
}

bool FieldDraft::add(FieldId id, std::string_view value) noexcept {
    if (count_ == limits::edits_max) return false;
    additions_[count_++] = {field_name(id), value, id, false};
    return true;
}

bool FieldDraft::set(std::string_view name, std::string_view value) noexcept {
    remove(name);
    return add(name, value);
}

bool FieldDraft::set(FieldId id, std::string_view value) noexcept {
    remove(id);
    return add(id, value);
}

void FieldDraft::remove(std::string_view name) noexcept {
    FieldId id = intern(name);
    if (id != FieldId::other) return remove(id);
    for (unsigned i = 0; i < received_->size(); ++i) {
        const Field& field = (*received_)[i];
        if (field.id == FieldId::other && equal_ignoring_case(received_->name(field), name))
            drop(i);
    }
    for (unsigned i = 0; i < count_; ++i) {
        if (equal_ignoring_case(additions_[i].name, name)) additions_[i].removed = true;
    }
}

void FieldDraft::remove(FieldId id) noexcept { remove_all(field_bit(id)); }

void FieldDraft::remove_all(FieldSet ids) noexcept {
    ids &= ~field_bit(FieldId::other);
    if (received_->present() & ids) {
        for (unsigned i = 0; i < received_->size(); ++i) {
            if (field_bit((*received_)[i].id) & ids) drop(i);
        }
    }
    for (unsigned i = 0; i < count_; ++i) {
        if (field_bit(additions_[i].id) & ids) additions_[i].removed = true;
    }
}

void FieldDraft::relocate(const char* from, size_t size, const char* to) noexcept {
    auto move = [&](std::string_view& view) {
        if (view.data() >= from && view.data() < from + size)
            view = {to + (view.data() - from), view.size()};
    };
    for (unsigned i = 0; i < count_; ++i) {
        move(additions_[i].name);
        move(additions_[i].value);
    }
}

}  // namespace ringtime::http
