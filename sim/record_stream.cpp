#include "ticklab/sim/record_stream.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cassert>

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

}  // namespace

std::string Digest::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

RecordId RecordStream::append(Emitter& from, Time at, const RecordKind& kind, RecordId cause, RecordId waited_on,
                              const std::uint64_t* operands, std::size_t count) {
    assert(count == kind.operand_count);
    assert(at >= committed_to_);
    const RecordId id{record_id(from.rank, ++from.count)};
    if (!index_.empty() && at < index_.back().at)
        in_order_ = false;
    index_.push_back(Entry{at, static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(index_.size())});
    const std::size_t base = words_.size();
    words_.resize(base + kHeadWords + count);
    std::uint64_t* w = words_.data() + base;
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
    if (!in_order_) {
        std::sort(index_.begin(), index_.end(),
                  [](const Entry& a, const Entry& b) { return a.at != b.at ? a.at < b.at : a.sequence < b.sequence; });
        in_order_ = true;
    }
    std::size_t ready = 0;
    batch_.clear();
    for (; ready < index_.size() && index_[ready].at <= horizon; ++ready) {
        const std::uint64_t* w = words_.data() + index_[ready].offset;
        const auto* kind = reinterpret_cast<const RecordKind*>(static_cast<std::uintptr_t>(w[kKindWord]));
        const std::span<const std::uint64_t> operands{w + kHeadWords, kind->operand_count};
        const Record record{index_[ready].at,
                            kind,
                            static_cast<CpuId>(w[kCpuWord]),
                            RecordId{w[kIdWord]},
                            RecordId{w[kCauseWord]},
                            RecordId{w[kWaitedWord]},
                            operands};
        if (!consumers_.empty())
            batch_.push_back(record);
        if (kind->digest_class == DigestClass::kBase) {
            chunk_.push_back(static_cast<std::uint64_t>(ps(record.at)));
            chunk_.push_back(std::uint64_t{kind->id} | (std::uint64_t{record.cpu} << 16) |
                             (std::uint64_t{kind->operand_count} << 48));
            chunk_.insert(chunk_.end(), operands.begin(), operands.end());
            if (++chunk_records_ == kChunkRecords)
                close_chunk();
        }
    }
    committed_ += ready;
    if (ready != 0)
        committed_to_ = index_[ready - 1].at;
    for (RecordConsumer* consumer : consumers_)
        consumer->consume(batch_);

    if (ready == index_.size()) {
        index_.clear();
        words_.clear();
        return;
    }
    // A few records lie beyond the horizon: keep them, in the order of emission so that sequences stay comparable.
    index_.erase(index_.begin(), index_.begin() + static_cast<std::ptrdiff_t>(ready));
    std::vector<std::uint64_t> kept;
    std::sort(index_.begin(), index_.end(), [](const Entry& a, const Entry& b) { return a.sequence < b.sequence; });
    std::uint32_t sequence = 0;
    for (Entry& e : index_) {
        const std::uint64_t* w = words_.data() + e.offset;
        const auto* kind = reinterpret_cast<const RecordKind*>(static_cast<std::uintptr_t>(w[kKindWord]));
        e.offset = static_cast<std::uint32_t>(kept.size());
        if (sequence != 0 && e.at < index_[sequence - 1].at)
            in_order_ = false;
        e.sequence = sequence++;
        kept.insert(kept.end(), w, w + kHeadWords + kind->operand_count);
    }
    words_.swap(kept);
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
