// Every primitive is a quad that the fragment shader cuts a sphere, a cylinder or a line out of. Depth is linear
// in the view depth (0 nearest, 1 farthest), so that the last pass can work in Å.
uniform mat3 rotation;      // world to view
uniform vec3 target;        // world, Å
uniform vec2 extent;        // half width and height at the target, Å
uniform float eye;          // eye distance, 0: parallel projection
uniform vec2 zrange;        // nearest and farthest view depth
