#pragma once
// Intrusive doubly linked list. A member embeds a ListNode and is in at most one list per node.
// Nothing is allocated; unlinking is O(1) and needs no list. Single-threaded.

#include "base/assert.h"

namespace ringtime {

struct ListNode {
    ListNode* previous = nullptr;
    ListNode* next = nullptr;

    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;

    [[nodiscard]] bool linked() const noexcept { return next != nullptr; }

    void unlink() noexcept {
        ASSERT(linked());
        previous->next = next;
        next->previous = previous;
        previous = next = nullptr;
    }
};

/// T derives from ListNode (or from a base that does).
template <typename T>
class List {
 public:
    List() noexcept { root_.previous = root_.next = &root_; }

    [[nodiscard]] bool empty() const noexcept { return root_.next == &root_; }
    [[nodiscard]] T* front() noexcept { return empty() ? nullptr : static_cast<T*>(root_.next); }
    [[nodiscard]] T* back() noexcept { return empty() ? nullptr : static_cast<T*>(root_.previous); }
    /// The element after `element`, or null at the end.
    [[nodiscard]] T* next(T& element) noexcept {
        ListNode* node = static_cast<ListNode&>(element).next;
        return node == &root_ ? nullptr : static_cast<T*>(node);
    }

    void push_back(T& element) noexcept { insert(element, root_.previous, &root_); }
    void push_front(T& element) noexcept { insert(element, &root_, root_.next); }
    T* pop_front() noexcept { return take(front()); }
    T* pop_back() noexcept { return take(back()); }

    /// Moves every element of `other` to the end of this list.
    void splice_back(List& other) noexcept {
        if (other.empty()) return;
        other.root_.next->previous = root_.previous;
        root_.previous->next = other.root_.next;
        other.root_.previous->next = &root_;
        root_.previous = other.root_.previous;
        other.root_.previous = other.root_.next = &other.root_;
    }

 private:
    static void insert(ListNode& node, ListNode* previous, ListNode* next) noexcept {
        ASSERT(!node.linked());
        node.previous = previous;
        node.next = next;
        previous->next = &node;
        next->previous = &node;
    }
    static T* take(T* element) noexcept {
        if (element) static_cast<ListNode*>(element)->unlink();
        return element;
    }

    ListNode root_;
};

}  // namespace ringtime
