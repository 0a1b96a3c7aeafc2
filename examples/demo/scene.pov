// The scene of scripts/demo.sh: the name of the project outlasts the sea.
//
// Made to be cut into tiles: everything in it depends on the pixel alone. So no radiosity, no
// photons and no jitter. Standard includes only.
#version 3.7;
#include "functions.inc"

global_settings {
  assumed_gamma 1.0
  max_trace_level 10
}

camera {
  location <-1.9, 2.55, -12.2>
  look_at <0.55, 1.55, 0>
  right x * image_width / image_height
  angle 45
}

// Late sun, soft at the edges (a fixed grid of lights: no jitter), and a cool light from the other side.
light_source {
  <-30, 20, -22>
  color rgb <1.45, 1.10, 0.78>
  area_light <3, 0, 0>, <0, 3, 0>, 9, 9
  adaptive 1
  circular
  orient
}
light_source { <26, 14, -18> color rgb <0.18, 0.25, 0.38> }

sky_sphere {
  pigment {
    gradient y
    color_map {
      [0.00 rgb <1.00, 0.62, 0.34>]
      [0.05 rgb <0.93, 0.52, 0.38>]
      [0.16 rgb <0.52, 0.40, 0.52>]
      [0.36 rgb <0.16, 0.22, 0.44>]
      [1.00 rgb <0.03, 0.06, 0.18>]
    }
  }
  pigment {
    bozo
    turbulence 0.75
    octaves 7
    omega 0.55
    lambda 2.4
    scale <0.30, 0.07, 0.30>
    color_map {
      [0.00 rgbt <1.0, 0.78, 0.60, 0.25>]
      [0.35 rgbt <0.9, 0.62, 0.55, 0.70>]
      [0.60 rgbt <1, 1, 1, 1>]
      [1.00 rgbt <1, 1, 1, 1>]
    }
  }
}

// The sea.
plane {
  y, 0
  pigment { color rgb <0.012, 0.045, 0.075> }
  normal {
    average
    normal_map {
      [1.0 bumps 0.20 scale <0.95, 1, 0.35>]
      [0.8 wrinkles 0.22 scale <1.7, 1, 0.8> turbulence 0.15]
      [0.4 ripples 0.10 frequency 2.2 translate <-3, 0, 4>]
    }
  }
  finish {
    ambient 0
    diffuse 0.55
    specular 0.5
    roughness 0.004
    reflection { 0.06, 0.85 fresnel on }
    conserve_energy
  }
  interior { ior 1.33 }
}

#declare Brass = texture {
  pigment { color rgb <0.78, 0.52, 0.20> }
  normal { bumps 0.03 scale 0.04 }
  finish {
    ambient 0.02
    diffuse 0.38
    specular 0.85
    roughness 0.012
    metallic
    reflection { 0.38 metallic }
  }
}

#declare Stone = texture {
  pigment {
    granite
    turbulence 0.3
    scale 0.9
    color_map {
      [0.0 rgb <0.30, 0.29, 0.30>]
      [0.5 rgb <0.46, 0.43, 0.41>]
      [1.0 rgb <0.62, 0.58, 0.54>]
    }
  }
  normal { granite 0.22 scale 0.7 }
  finish { ambient 0.03 diffuse 0.8 specular 0.08 roughness 0.06 }
}

#declare Glass_Material = material {
  texture {
    pigment { color rgbf <0.96, 0.99, 0.98, 0.94> }
    finish {
      ambient 0
      diffuse 0.04
      specular 0.9
      roughness 0.001
      reflection { 0.02, 1.0 fresnel on }
      conserve_energy
    }
  }
  interior { ior 1.5 fade_distance 1.6 fade_power 2 fade_color <0.30, 0.72, 0.66> }
}

// The name: brass letters on a stone quay.
box { <-3.9, -0.6, -0.75>, <3.9, 0.42, 1.25> texture { Stone } }
box { <-4.15, -0.6, -1.05>, <4.15, 0.16, 1.55> texture { Stone translate 7 } }

#declare Name = text {
  ttf "cyrvetic.ttf" "outlast", 0.42, 0
  texture { Brass }
}
#declare Low = min_extent(Name);
#declare High = max_extent(Name);
object {
  Name
  translate -<(Low.x + High.x) / 2, Low.y, 0.21>
  scale <2.05, 2.05, 1.3>
  translate <0, 0.42, 0.1>
}

// A lighthouse lamp in CSG: a sphere with windows, hollow, a lens inside.
#declare Windows = union {
  #declare I = 0;
  #while (I < 5)
    cylinder { <-1.6, 0, 0>, <1.6, 0, 0>, 0.36 rotate y * I * 36 }
    cylinder { <-1.6, 0, 0>, <1.6, 0, 0>, 0.20 rotate z * 45 rotate y * (I * 36 + 18) }
    #declare I = I + 1;
  #end
  cylinder { <0, -1.6, 0>, <0, 1.6, 0>, 0.34 }
}
union {
  difference {
    sphere { 0, 1.0 }
    sphere { 0, 0.90 }
    object { Windows }
    texture { Brass }
  }
  sphere {
    0, 0.60
    material { Glass_Material }
  }
  torus { 0.95, 0.07 texture { Brass } }
  torus { 0.40, 0.06 translate -y * 0.92 texture { Brass } }
  rotate <12, 25, 9>
  translate <4.15, 1.62, -1.7>
}
cylinder { <4.15, -1, -1.7>, <4.15, 0.6, -1.7>, 0.62 texture { Stone translate 3 } }
torus { 0.52, 0.10 texture { Brass } translate <4.15, 0.63, -1.7> }

// Glass floats on the water, and a marble of polished steel.
#macro Float(Place, Size)
  union {
    sphere { 0, Size material { Glass_Material } }
    torus { Size, Size * 0.05 texture { Brass } rotate <14, 0, 11> }
    translate Place
  }
#end
Float(<-2.55, 0.42, -3.55>, 0.62)
Float(<-4.15, 0.28, -2.30>, 0.44)
Float(<-0.35, 0.22, -4.40>, 0.34)
Float(<1.35, 0.22, -3.75>, 0.34)

sphere {
  <-5.2, 1.25, 5.2>, 1.65
  pigment { color rgb 0.04 }
  finish { ambient 0 diffuse 0.1 specular 0.9 roughness 0.002 reflection { 0.82 } }
}

// The coast behind: a height that noise decides, with a lighthouse on it.
#declare Coast = function {
  y + 1.1
    - 3.4 * exp(-pow((z - 33) / 7, 2)) * (0.25 + 1.15 * f_noise3d(x * 0.10 + 7.3, 4.2, z * 0.08))
    - 0.85 * f_noise3d(x * 0.55, y * 0.55, z * 0.55)
    - 0.24 * f_noise3d(x * 2.1, y * 2.1, z * 2.1)
}
isosurface {
  function { Coast(x, y, z) }
  contained_by { box { <-34, -0.4, 20>, <42, 5.5, 46> } }
  threshold 0
  accuracy 0.006
  max_gradient 2.1
  texture { Stone scale 3 }
}
union {
  cone { <0, 0, 0>, 0.95, <0, 5.4, 0>, 0.62 pigment { color rgb 0.9 } }
  cone { <0, 1.5, 0>, 0.90, <0, 2.8, 0>, 0.80 scale <1.01, 1, 1.01> pigment { color rgb <0.7, 0.1, 0.08> } }
  cylinder { <0, 5.4, 0>, <0, 5.55, 0>, 0.95 pigment { color rgb 0.15 } }
  cylinder { <0, 5.55, 0>, <0, 6.3, 0>, 0.45 pigment { color rgb <1, 0.85, 0.5> } finish { ambient 1.6 } }
  cone { <0, 6.3, 0>, 0.70, <0, 7.1, 0>, 0 pigment { color rgb <0.5, 0.08, 0.06> } }
  translate <11.5, 1.9, 33>
}
