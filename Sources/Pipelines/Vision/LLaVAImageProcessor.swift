import Checkpoints
import Images
import Networks
import Tensors

/// The `preprocessor_config.json` of LLaVA-OneVision and LLaVA-NeXT, applied as transformers'
/// `LlavaOnevisionImageProcessor` and `LlavaNextImageProcessor` do: the whole picture on one tile, then the picture on a
/// grid of tiles.
struct LLaVAImageProcessor: Sendable, Equatable, Decodable {
    /// The grids that a picture may be cut into, in tiles of the tower's size.
    let tiles: AnyResolution
    let filter: ResizeFilter
    /// Pixels of the shorter side before LLaVA-NeXT crops the middle; nil where tiles are stretched to their size.
    private let shorterSide: Int?
    /// Whether it is one of the fast processors, the only ones that transformers has since 5.0. They resize with
    /// torchvision, rows always before columns, and an odd line of border stands right or below; the others leave that
    /// line out, and the last tiles are a line short and stretched.
    private let isFast: Bool
    private let normalization: PixelNormalization

    private enum CodingKeys: String, CodingKey {
        case type = "image_processor_type"
        case resizes = "do_resize"
        case size
        case crops = "do_center_crop"
        case cropSize = "crop_size"
        case pinpoints = "image_grid_pinpoints"
        case filter = "resample"
    }

    private enum SizeKeys: String, CodingKey {
        case height, width
        case shorterSide = "shortest_edge"
    }

    init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decode(String.self, forKey: .type)
        let tileSize: Int
        switch type {
        case "LlavaOnevisionImageProcessor", "LlavaOnevisionImageProcessorFast":
            tileSize = try Self.square(config, .size)
            shorterSide = nil
        case "LlavaNextImageProcessor", "LlavaNextImageProcessorFast":
            tileSize = try Self.square(config, .cropSize)
            let size = try config.nestedContainer(keyedBy: SizeKeys.self, forKey: .size)
            // What is smaller than the crop would have to be padded.
            shorterSide = try size.integer(.shorterSide, in: tileSize...8192)
            guard try config.decodeIfPresent(Bool.self, forKey: .crops) ?? true else {
                throw config.invalid(.crops, "false is not supported")
            }
        default:
            let known = "LlavaOnevisionImageProcessor, LlavaNextImageProcessor"
            throw config.invalid(.type, "\"\(type)\" is not supported (\(known))")
        }
        guard try config.decodeIfPresent(Bool.self, forKey: .resizes) ?? true else {
            throw config.invalid(.resizes, "is false, but pictures of any size come in")
        }
        let pinpoints = try config.decode([[Int]].self, forKey: .pinpoints)
        guard let tiles = AnyResolution(pinpoints: pinpoints, tileSize: tileSize) else {
            throw config.invalid(.pinpoints, "are not pairs of multiples of \(tileSize), the size of a tile")
        }
        self.tiles = tiles
        // Since 5.0 the description is a part of another file.
        isFast = type.hasSuffix("Fast") || !decoder.codingPath.isEmpty
        filter = try config.resizeFilter(.filter)
        normalization = try PixelNormalization(
            fromConfig: decoder,
            mean: PixelNormalization.clipMean,
            deviation: PixelNormalization.clipDeviation
        )
    }

    /// Height and width, which are one.
    private static func square(_ config: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys) throws -> Int {
        let size = try config.nestedContainer(keyedBy: SizeKeys.self, forKey: key)
        let height = try size.integer(.height, in: 1...8192)
        let width = try size.integer(.width, in: 1...8192)
        guard width == height else { throw size.invalid(.width, "\(width) is not the height \(height)") }
        return height
    }

    /// Tiles of a picture, the whole one included.
    func tileCount(of picture: PixelImage) -> Int {
        let grid = tiles.grid(height: picture.height, width: picture.width)
        return 1 + grid.rows * grid.columns
    }

    /// The tiles of a picture as the tower sees them, 8 bits a channel: the whole picture, stretched to a square, then the
    /// grid row by row, with black borders where the picture is of another shape.
    func tiles(of picture: PixelImage) -> [PixelImage] {
        let size = tiles.tileSize
        let (height, width) = (picture.height, picture.width)
        let grid = tiles.grid(height: height, width: width)
        let fitted = tiles.fittedSize(height: height, width: width, in: grid)
        let borders = (height: grid.rows * size - fitted.height, width: grid.columns * size - fitted.width)
        let (above, left) = (borders.height / 2, borders.width / 2)
        let padded = resized(picture, width: fitted.width, height: fitted.height)
            .padded(
                left: left,
                top: above,
                right: isFast ? borders.width - left : left,
                bottom: isFast ? borders.height - above : above
            )
        let whole = shorterSide ?? size
        var result = [finished(resized(picture, width: whole, height: whole))]
        for y in stride(from: 0, to: padded.height, by: size) {
            for x in stride(from: 0, to: padded.width, by: size) {
                let tile = padded.cropped(
                    x: x,
                    y: y,
                    width: min(size, padded.width - x),
                    height: min(size, padded.height - y)
                )
                result.append(finished(tile))
            }
        }
        return result
    }

    /// A tile at its final size.
    private func finished(_ tile: PixelImage) -> PixelImage {
        let size = tiles.tileSize
        guard let shorterSide else { return resized(tile, width: size, height: size) }
        let (height, width) = (tile.height, tile.width)
        let longer = Int(Double(shorterSide * max(height, width)) / Double(min(height, width)))
        let larger = resized(
            tile,
            width: width <= height ? shorterSide : longer,
            height: width <= height ? longer : shorterSide
        )
        return larger.cropped(x: (larger.width - size) / 2, y: (larger.height - size) / 2, width: size, height: size)
    }

    private func resized(_ picture: PixelImage, width: Int, height: Int) -> PixelImage {
        // Pillow takes columns first where that is less work; a side that stays as it is is not filtered.
        let picture = isFast ? picture.resized(width: width, height: picture.height, filter: filter) : picture
        return picture.resized(width: width, height: height, filter: filter)
    }

    /// A frame of a video as the tower sees it: stretched to a square.
    func frame(_ picture: PixelImage) -> PixelImage {
        resized(picture, width: tiles.tileSize, height: tiles.tileSize)
    }

    /// What the tower reads of a tile or frame: [1, size, size, 3]
    func pixelValues(of tile: PixelImage) -> Tensor {
        let (pixels, values) = (tile.pixels, normalization.values)
        return Tensor(
            pixels.indices.map { values[$0 % 3 * 256 + Int(pixels[$0])] },
            shape: [1, tile.height, tile.width, 3]
        )
    }
}
