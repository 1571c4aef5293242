#include "ticklab/sim/record_stream.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <iterator>

namespace ticklab::sim {
namespace {

static_assert(std::endian::native == std::endian::little, "the digest is defined over little-endian words");

// Layout of a buffered record: head words, then operands.
constexpr std::size_t kHeadWords = 5;
enum HeadWord : std::size_t { kKindWord, kCpuWord, kIdWord, kCauseWord, kWaitedWord };

constexpr unsigned kIdRankShift = 32;
// Tells the identities of the classes' slots apart within 64 bits: rank above, count below.
constexpr std::uint64_t record_id(std::uint32_t rank, std::uint64_t count) {
    return (std::uint64_t{rank} << kIdRankShift) + count;
}

const RecordKind& kind_of(const std::uint64_t* words) {
    return *reinterpret_cast<const RecordKind*>(static_cast<std::uintptr_t>(words[kKindWord]));
}

/// By insertion while that is cheap: a few CPUs run ahead of one another by little, many may by much.
template <class Iterator, class Before>
void put_in_order(Iterator begin, Iterator end, Before before) {
    constexpr std::ptrdiff_t kMovesEach = 8;
    std::ptrdiff_t moves = kMovesEach * (end - begin);
    for (Iterator next = begin; next != end; ++next) {
        const auto entry = *next;
        Iterator to = next;
        for (; to != begin && before(entry, *std::prev(to)); --to)
            *to = *std::prev(to);
        *to = entry;
        moves -= next - to;
        if (moves < 0)
            return std::sort(begin, end, before);
    }
}

}  // namespace

std::string Digest::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

RecordId RecordStream::append(Emitter& from, Time at, const RecordKind& kind, RecordId cause, RecordId waited_on,
                              const std::uint64_t* operands, std::size_t count) {
    assert(count == kind.operand_count);
    assert(at >= committed_to_);
    const RecordId id{record_id(from.rank, ++from.count)};
    if (index_.size() > kept_ && at < index_.back().at)
        in_order_ = false;
    index_.push_back(Entry{at, static_cast<std::uint32_t>(words_.size())});
    std::uint64_t* const w = words_.extend(kHeadWords + count);
    w[kKindWord] = reinterpret_cast<std::uintptr_t>(&kind);
    w[kCpuWord] = from.cpu;
    w[kIdWord] = id.bits;
    w[kCauseWord] = cause.bits;
    w[kWaitedWord] = waited_on.bits;
    for (std::size_t i = 0; i < count; ++i)
        w[kHeadWords + i] = operands[i];
    return id;
}

void RecordStream::commit(Time horizon) {
    // What an earlier commit kept is in order; what came since is put in order and merged behind its equals. Offsets
    // grow with emission, so among records of one instant they are that order.
    const auto added = index_.begin() + static_cast<std::ptrdiff_t>(kept_);
    if (!in_order_)
        put_in_order(added, index_.end(),
                     [](const Entry& a, const Entry& b) { return a.at != b.at ? a.at < b.at : a.offset < b.offset; });
    if (kept_ != 0 && added != index_.end() && added->at < index_[kept_ - 1].at)
        std::inplace_merge(index_.begin(), added, index_.end(),
                           [](const Entry& a, const Entry& b) { return a.at < b.at; });
    in_order_ = true;

    std::size_t ready = 0;
    batch_.clear();
    for (; ready < index_.size() && index_[ready].at <= horizon; ++ready) {
        const std::uint64_t* w = words_.data() + index_[ready].offset;
        const RecordKind& kind = kind_of(w);
        if (!consumers_.empty())
            batch_.push_back(Record{index_[ready].at,
                                    &kind,
                                    static_cast<CpuId>(w[kCpuWord]),
                                    RecordId{w[kIdWord]},
                                    RecordId{w[kCauseWord]},
                                    RecordId{w[kWaitedWord]},
                                    {w + kHeadWords, kind.operand_count}});
        if (kind.digest_class == DigestClass::kBase) {
            digest_record(index_[ready].at, kind, w);
            ++committed_;
        }
    }
    if (ready != 0)
        committed_to_ = index_[ready - 1].at;
    for (RecordConsumer* consumer : consumers_)
        consumer->consume(batch_);

    spare_.clear();
    for (std::size_t i = ready; i < index_.size(); ++i) {
        const std::uint64_t* w = words_.data() + index_[i].offset;
        index_[i - ready] = Entry{index_[i].at, static_cast<std::uint32_t>(spare_.size())};
        spare_.append(w, kHeadWords + std::size_t{kind_of(w).operand_count});
    }
    index_.resize(index_.size() - ready);
    words_.swap(spare_);
    kept_ = index_.size();
    // Committing costs what is kept, so wait for as much again.
    commit_at_ = std::max(kChunkRecords, 2 * kept_);
}

void RecordStream::digest_record(Time at, const RecordKind& kind, const std::uint64_t* w) {
    std::uint64_t* const c = chunk_.extend(std::size_t{2} + kind.operand_count);
    c[0] = static_cast<std::uint64_t>(ps(at));
    c[1] = std::uint64_t{kind.id} | (w[kCpuWord] << 16) | (std::uint64_t{kind.operand_count} << 48);
    for (std::size_t i = 0; i < kind.operand_count; ++i)
        c[2 + i] = w[kHeadWords + i];
    if (++chunk_records_ == kChunkRecords)
        close_chunk();
}

void RecordStream::close_chunk() {
    const XXH128_hash_t h = XXH3_128bits_withSeed(chunk_.data(), chunk_.size() * sizeof(std::uint64_t),
                                                  digest_.low ^ std::rotl(digest_.high, 1));
    digest_ = Digest{h.low64, h.high64};
    chain_.push_back(digest_);
    chunk_.clear();
    chunk_records_ = 0;
}

Digest RecordStream::digest() const {
    if (chunk_.empty())
        return digest_;
    const XXH128_hash_t h = XXH3_128bits_withSeed(chunk_.data(), chunk_.size() * sizeof(std::uint64_t),
                                                  digest_.low ^ std::rotl(digest_.high, 1));
    return Digest{h.low64, h.high64};
}

std::uint64_t RecordStream::intern(std::string_view name) {
    const auto it = name_index_.find(name);
    if (it != name_index_.end())
        return it->second;
    names_.emplace_back(name);
    return name_index_.emplace(names_.back(), names_.size() - 1).first->second;
}

}  // namespace ticklab::sim
