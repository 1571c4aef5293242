// A growing array of 64-bit words that is written through a pointer: no zeroing, no call for a handful of words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace ticklab::sim {

class WordBuffer {
public:
    const std::uint64_t* data() const { return words_.get(); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    void clear() { size_ = 0; }
    void swap(WordBuffer& other) {
        words_.swap(other.words_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    /// Room for `count` words behind the others; the caller fills them in.
    std::uint64_t* extend(std::size_t count) {
        if (size_ + count > capacity_) [[unlikely]]
            grow(size_ + count);
        std::uint64_t* const room = words_.get() + size_;
        size_ += count;
        return room;
    }
    void append(const std::uint64_t* from, std::size_t count) {
        std::uint64_t* const to = extend(count);
        for (std::size_t i = 0; i < count; ++i)
            to[i] = from[i];
    }

private:
    void grow(std::size_t at_least) {
        std::size_t capacity = capacity_ == 0 ? 1024 : capacity_;
        while (capacity < at_least)
            capacity *= 2;
        std::unique_ptr<std::uint64_t[]> words(new std::uint64_t[capacity]);
        for (std::size_t i = 0; i < size_; ++i)
            words[i] = words_[i];
        words_.swap(words);
        capacity_ = capacity;
    }

    std::unique_ptr<std::uint64_t[]> words_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace ticklab::sim
