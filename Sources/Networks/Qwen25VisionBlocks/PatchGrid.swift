/// How a picture or a video is cut into patches: transformers' `grid_thw`.
package struct PatchGrid: Sendable, Hashable, Codable {
    /// Patches in time: one for a picture, one for every `temporal_patch_size` frames of a video.
    package var frames: Int
    /// Patches down a frame.
    package var rows: Int
    /// Patches across a frame.
    package var columns: Int

    package init(frames: Int, rows: Int, columns: Int) {
        self.frames = frames
        self.rows = rows
        self.columns = columns
    }

    package var patchesPerFrame: Int { rows * columns }
    package var patches: Int { frames * patchesPerFrame }

    /// The grid of merged patches, `size` × `size` each, which are what a language model reads as tokens.
    package func merged(by size: Int) -> PatchGrid {
        PatchGrid(frames: frames, rows: rows / size, columns: columns / size)
    }
}
