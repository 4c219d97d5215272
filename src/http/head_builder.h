#pragma once
// Builds a head of the gateway's own (an error page, a plugin's or a file's answer) in
// caller-provided memory: the text and the field table that points into it, so that writers and
// hooks treat it like a received one. Never overruns; what does not fit makes ok() false.

#include <cstring>
#include <string_view>

#include "http/head.h"

namespace ringtime::http {

class HeadBuilder {
 public:
    /// `text` is borrowed as long as `head` is used; at most 64 KiB are.
    HeadBuilder(ResponseHead& head, uint16_t status, char* text, size_t capacity) noexcept
        : head_(head), text_(text), capacity_(capacity < UINT16_MAX ? capacity : UINT16_MAX) {
        head_.status = status;
        head_.version = Version::http_1_1;
        head_.reason_phrase = {};
        head_.fields.clear();
        head_.fields.base = text;
    }

    /// Copies one line. Precondition: both are valid syntax.
    void add(std::string_view name, std::string_view value) noexcept {
        add(intern(name), name, value);
    }
    void add(FieldId id, std::string_view value) noexcept { add(id, field_name(id), value); }

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] size_t used() const noexcept { return used_; }

 private:
    void add(FieldId id, std::string_view name, std::string_view value) noexcept {
        if (head_.fields.full() || capacity_ - used_ < name.size() + value.size()) {
            ok_ = false;
            return;
        }
        Field field;
        field.id = id;
        field.name_offset = append(name);
        field.name_size = static_cast<uint16_t>(name.size());
        field.value_offset = append(value);
        field.value_size = static_cast<uint16_t>(value.size());
        head_.fields.add(field);
    }
    uint16_t append(std::string_view part) noexcept {
        auto offset = static_cast<uint16_t>(used_);
        if (!part.empty()) std::memcpy(text_ + used_, part.data(), part.size());
        used_ += part.size();
        return offset;
    }

    ResponseHead& head_;
    char* text_;
    size_t capacity_;
    size_t used_ = 0;
    bool ok_ = true;
};

}  // namespace ringtime::http
